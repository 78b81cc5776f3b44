"""One deadline for a whole HTTP exchange, connecting and every byte of it included.

HTTP libraries apply their timeouts to each wait on the network, so that a server that sends a byte now and then holds a
caller for ever. asyncio can stop everything at a deadline; without it, each wait gets what is left until then.
"""

import socket
import ssl
import threading
import time
from collections.abc import Iterable
from contextlib import suppress

import httpcore2

_CHUNK_BYTES = 2**16  # written at once: the library waits anew for each part that the network takes of it


class DeadlineBackend(httpcore2.SyncBackend):
    """Blocking connections whose waits end at the deadline that the thread has set."""

    def __init__(self) -> None:
        self._thread = threading.local()

    def begin(self, seconds: float) -> None:
        """Set this thread's deadline."""
        self._thread.ends = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds until this thread's deadline.

        Raises:
            httpcore2.ReadTimeout: there are none.
        """
        seconds: float = self._thread.ends - time.monotonic()
        if seconds <= 0:
            raise httpcore2.ReadTimeout
        return seconds

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002  this and the others that the library knows are for one wait
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        """Connect to one of the host's addresses, within the deadline and not within as long for each of them."""
        *others, last = _addresses(host, port)
        for address in others:
            with suppress(httpcore2.ConnectError, httpcore2.ConnectTimeout):
                return _Stream(super().connect_tcp(address, port, self.left(), local_address, socket_options), self)
        return _Stream(super().connect_tcp(last, port, self.left(), local_address, socket_options), self)


class _Stream(httpcore2.NetworkStream):
    def __init__(self, stream: httpcore2.NetworkStream, deadline: DeadlineBackend) -> None:
        self._stream = stream
        self._deadline = deadline
        self.close = stream.close  # type: ignore[method-assign]  # nothing to add
        self.get_extra_info = stream.get_extra_info  # type: ignore[method-assign]  # likewise

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002  see connect_tcp
        return self._stream.read(max_bytes, self._deadline.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002  see connect_tcp
        for start in range(0, len(buffer), _CHUNK_BYTES):
            self._stream.write(buffer[start : start + _CHUNK_BYTES], self._deadline.left())

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002  see connect_tcp
    ) -> httpcore2.NetworkStream:
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, self._deadline.left()), self._deadline)


def _addresses(host: str, port: int) -> list[str]:
    try:
        return list(
            dict.fromkeys(str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        )
    except OSError as error:
        raise httpcore2.ConnectError(error) from error
