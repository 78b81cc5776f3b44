"""Ports for the servers of tests and load tests."""

import socket
import subprocess
import sys

from loadtest.processes import free_port

OTHER_PROCESS = """
import socket
sockets = [socket.socket() for _ in range(2000)]
for one in sockets:
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in sockets))
"""


def test_no_other_process_is_given_a_claimed_port() -> None:
    claimed = {free_port() for _ in range(500)}
    command = [sys.executable, "-c", OTHER_PROCESS]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert claimed.isdisjoint(map(int, printed.split()))


def test_a_server_listens_on_a_claimed_port() -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port)), socket.create_connection(("127.0.0.1", port), 5):
        pass


def test_a_claimed_port_refuses_connections_before_the_server_listens() -> None:
    with socket.socket() as caller:
        assert caller.connect_ex(("127.0.0.1", free_port())) != 0
