"""Ports on this machine: free, refusing and silent ones."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from loadtest.processes import free_port

__all__ = ["free_port", "refusing_port", "silent_port"]


@contextmanager
def refusing_port() -> Iterator[int]:
    """Bind a port without a listener, which refuses connections."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@contextmanager
def silent_port() -> Iterator[int]:
    """Listen on a port whose connections are never answered."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]
