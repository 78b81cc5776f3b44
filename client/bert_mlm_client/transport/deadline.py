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
from weakref import WeakSet

import httpcore2

from bert_mlm_client.transport.balance import CONNECT_S

_CHUNK_BYTES = 2**16  # written at once: the library waits anew for each part that the network takes of it


class DeadlineBackend(httpcore2.SyncBackend):
    """Blocking connections whose waits end at the deadline that the thread has set."""

    def __init__(self) -> None:
        self._thread = threading.local()
        self._streams: WeakSet[_Stream] = WeakSet()
        self._is_closed = False

    def keep(self, stream: httpcore2.NetworkStream) -> httpcore2.NetworkStream:
        """Return a connection that keeps to the deadlines, and that `close` ends whatever it is in."""
        kept = _Stream(stream, self)
        self._streams.add(kept)
        if self._is_closed:
            kept.close()
            raise httpcore2.ConnectError
        return kept

    def close(self) -> None:
        """End every connection, those that are waited on and those that are being made too."""
        self._is_closed = True
        for stream in list(self._streams):
            stream.close()

    def begin(self, seconds: float) -> None:
        """Set this thread's deadline."""
        self._thread.ends = time.monotonic() + seconds

    def left(self, limit: float | None = None) -> float:
        """Return the seconds until this thread's deadline, or a limit that comes before.

        Raises:
            httpcore2.ReadTimeout: there are none.
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
        """Connect to one of the host's addresses, within the deadline; one that is silent leaves time for the next."""
        *others, last = _addresses(host, port)
        for address in others:
            seconds = min(self.left(timeout), CONNECT_S, self.left() / 2)
            with suppress(httpcore2.ConnectError, httpcore2.ConnectTimeout):
                return self.keep(super().connect_tcp(address, port, seconds, local_address, socket_options))
        return self.keep(super().connect_tcp(last, port, self.left(timeout), local_address, socket_options))


class _Stream(httpcore2.NetworkStream):
    def __init__(self, stream: httpcore2.NetworkStream, deadline: DeadlineBackend) -> None:
        self._stream = stream
        self._deadline = deadline
        self.get_extra_info = stream.get_extra_info  # type: ignore[method-assign]  # nothing to add

    def close(self) -> None:
        with suppress(OSError):  # it has ended already
            self.get_extra_info("socket").shutdown(socket.SHUT_RDWR)  # which ends a wait in another thread
        self._stream.close()

    # The timeouts that the library knows are for one wait each; those for a connection limit that, the others nothing.
    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        return self._stream.read(max_bytes, self._deadline.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        for start in range(0, len(buffer), _CHUNK_BYTES):
            self._stream.write(buffer[start : start + _CHUNK_BYTES], self._deadline.left())

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        seconds = self._deadline.left(timeout)
        return self._deadline.keep(self._stream.start_tls(ssl_context, server_hostname, seconds))


def _addresses(host: str, port: int) -> list[str]:
    try:
        return list(
            dict.fromkeys(str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        )
    except OSError as error:
        raise httpcore2.ConnectError(error) from error
