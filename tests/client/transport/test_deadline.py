"""The deadline holds against a server that sends single bytes."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from bert_mlm_client import ServerTimeoutError

from tests.client.transport.conftest import Open

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
TIMEOUT_S = 0.5
BETWEEN_BYTES_S = 0.1
SLACK_S = 0.3  # tolerance for a busy machine, shorter than a restarted timeout


@contextmanager
def dripping(head: bytes) -> Iterator[str]:
    """Send an answer byte by byte until the caller disconnects."""
    listener = socket.create_server(("127.0.0.1", 0))
    is_over = threading.Event()

    def drip() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(head)
            try:
                while not is_over.wait(BETWEEN_BYTES_S):
                    connection.sendall(b"a")
            except OSError:
                pass  # the caller disconnected

    thread = threading.Thread(target=drip)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    is_over.set()
    thread.join()
    listener.close()


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nX-Slow: ", HEAD], ids=["status line", "header", "body"])
def test_a_slow_answer_ends_at_the_deadline(client: Open, head: bytes) -> None:
    with dripping(head) as url:
        begun = time.monotonic()
        with pytest.raises(ServerTimeoutError, match=r"nothing came back in 0\.5 s"):
            client(url).predict(timeout=TIMEOUT_S)
        assert TIMEOUT_S - 0.05 < time.monotonic() - begun < TIMEOUT_S + SLACK_S


def test_a_later_request_has_its_own_deadline(client: Open, rest_url: str) -> None:
    one = client(rest_url)
    one.predict(timeout=1.0)
    time.sleep(1.05)  # let the first deadline pass
    one.predict(timeout=5.0)


def test_a_server_that_never_reads_ends_at_the_deadline(client: Open, silent_port: int) -> None:
    begun = time.monotonic()
    with pytest.raises(ServerTimeoutError):
        client(f"http://127.0.0.1:{silent_port}").predict(timeout=TIMEOUT_S)
    assert time.monotonic() - begun < TIMEOUT_S + SLACK_S
