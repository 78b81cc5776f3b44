"""Connections whose packets are dropped are given up if there is another server."""

import errno
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import httpcore2
import pytest
from bert_mlm_client import ServerTimeoutError, UnreachableError
from bert_mlm_client.transport.address import Servable
from bert_mlm_client.transport.balance import UNACKNOWLEDGED_S
from bert_mlm_client.transport.rest import RestTransport

from loadtest.failover import Replica
from tests.client.transport.conftest import Open

TCP_USER_TIMEOUT = getattr(socket, "TCP_USER_TIMEOUT", None)


def user_timeouts(port: int) -> set[int]:
    """Return the user timeout of each connection of this process to a port, in milliseconds."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        number = int(entry.name)
        try:
            if not stat.S_ISSOCK(os.fstat(number).st_mode):
                continue
            with socket.socket(fileno=os.dup(number)) as connection:
                if connection.family in {socket.AF_INET, socket.AF_INET6} and connection.getpeername()[1] == port:
                    found.add(connection.getsockopt(socket.IPPROTO_TCP, TCP_USER_TIMEOUT or 0))
        except OSError:  # closed meanwhile, or not connected
            continue
    return found


@pytest.mark.skipif(TCP_USER_TIMEOUT is None, reason="only Linux has TCP_USER_TIMEOUT")
@pytest.mark.parametrize("protocol", ["grpc", "rest"])
def test_only_with_several_servers_a_connection_is_given_up_early(
    client: Open, replica: Callable[..., Replica], protocol: str, refusing_port: int
) -> None:
    with replica() as own:  # without the connections of other tests
        url = getattr(own, protocol)
        port = int(url.rpartition(":")[2])
        client(url).status()
        early = round(UNACKNOWLEDGED_S * 1000)
        assert early not in user_timeouts(port)
        several = client([url, f"{url.partition(':')[0]}://127.0.0.1:{refusing_port}"])
        for _ in range(2):
            several.status()
        assert early in user_timeouts(port)


@pytest.mark.parametrize("kind", [httpcore2.ReadTimeout, httpcore2.WriteTimeout])
def test_the_kernels_timeout_is_a_lost_connection(kind: type[Exception]) -> None:
    servable = Servable.parse("http://127.0.0.1:8501", model="bert_mlm", version=None)
    exchange = RestTransport(servable, 1.0)._exchange
    kernel = kind(TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)))
    lost = exchange.convert_error(kernel, 10.0, "fill_mask")
    assert isinstance(lost, UnreachableError)
    assert "nothing acknowledged in 2 s" in str(lost)
    assert isinstance(exchange.convert_error(kind(TimeoutError("timed out")), 10.0, "fill_mask"), ServerTimeoutError)
