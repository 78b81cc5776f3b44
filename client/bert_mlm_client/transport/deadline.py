"""Enforce one deadline for a whole HTTP exchange.

HTTP libraries apply their timeouts to each wait on the network, so that a server that sends a byte now and then blocks
the caller forever. asyncio can cancel everything at a deadline; without it, each wait gets the remaining time.
"""

import socket
import ssl
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from weakref import WeakSet

import httpcore2

from bert_mlm_client.transport.balance import CONNECT_S

_CHUNK_BYTES = 2**16  # bytes per write: the library applies the timeout to each partial send


class DeadlineBackend(httpcore2.SyncBackend):
    """Open connections that observe the thread's deadline."""

    def __init__(self) -> None:
        self._thread = threading.local()
        self._streams: WeakSet[_Stream] = WeakSet()
        self._is_closed = False

    def wrap(self, stream: httpcore2.NetworkStream) -> httpcore2.NetworkStream:
        """Wrap a connection to observe the deadline and `close`."""
        wrapped = _Stream(stream, self)
        self._streams.add(wrapped)
        if self._is_closed:
            wrapped.close()
            raise httpcore2.ConnectError
        return wrapped

    def close(self) -> None:
        """Close every connection, including those being used or opened."""
        self._is_closed = True
        for stream in list(self._streams):
            stream.close()

    def start(self, seconds: float) -> None:
        """Set this thread's deadline."""
        self._thread.ends = time.monotonic() + seconds

    def remaining(self, limit: float | None = None) -> float:
        """Return the seconds until the deadline, at most ``limit``.

        Raises:
            httpcore2.ReadTimeout: the deadline has passed.
        """
        seconds: float = self._thread.ends - time.monotonic()
        if seconds <= 0:
            raise httpcore2.ReadTimeout
        return seconds if limit is None else min(seconds, limit)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        """Connect to one of the host's addresses within the deadline."""
        # An address that does not respond must leave time for the next.
        *others, last = _addresses(host, port)
        for address in others:
            seconds = min(self.remaining(timeout), CONNECT_S, self.remaining() / 2)
            with suppress(httpcore2.ConnectError, httpcore2.ConnectTimeout):
                return self.wrap(super().connect_tcp(address, port, seconds, local_address, socket_options))
        return self.wrap(super().connect_tcp(last, port, self.remaining(timeout), local_address, socket_options))


class _Stream(httpcore2.NetworkStream):
    def __init__(self, stream: httpcore2.NetworkStream, deadline: DeadlineBackend) -> None:
        self._stream = stream
        self._deadline = deadline
        self.get_extra_info = stream.get_extra_info  # type: ignore[method-assign]  # nothing to add

    def close(self) -> None:
        with suppress(OSError):  # already disconnected
            self.get_extra_info("socket").shutdown(socket.SHUT_RDWR)  # unblocks a wait in another thread
        self._stream.close()

    # The library's timeouts are per wait. Only its connect timeout is used; the deadline replaces the others.
    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        return self._stream.read(max_bytes, self._deadline.remaining())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        for start in range(0, len(buffer), _CHUNK_BYTES):
            self._stream.write(buffer[start : start + _CHUNK_BYTES], self._deadline.remaining())

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        seconds = self._deadline.remaining(timeout)
        return self._deadline.wrap(self._stream.start_tls(ssl_context, server_hostname, seconds))


def _addresses(host: str, port: int) -> list[str]:
    try:
        return list(
            dict.fromkeys(str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        )
    except OSError as error:
        raise httpcore2.ConnectError(error) from error
