"""Add limits and timeouts to uvicorn's HTTP/1.1 connection.

Except for a keep-alive timeout and a limit of connections, uvicorn 0.54 leaves them to a proxy. A slow or silent client
occupies a socket for a while and no thread. A server calls ``end_overdue`` once a second, so that requests need no
timers. A service derives a class with its limits and error format.
"""

import asyncio
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from deploy.http.lingering import LingeringTransport

MAX_HEAD_BYTES = 2**16
"""The size limit of the request line with its headers."""

IDLE_S = 75
"""The keep-alive timeout, longer than that of client pools."""

ON_DISCONNECT = "deploy.http.on_disconnect"
"""The key of an ASGI scope under which an application may set a function to call if the client disconnects."""

_UPGRADE = re.compile(rb"\r\n(upgrade[ \t]*:)", re.IGNORECASE)

Headers = Sequence[tuple[bytes, bytes]]


class Connection(HttpToolsProtocol, ABC):
    """A client's connection.

    Attributes:
        max_connections: the maximum of connections; further ones are answered 503.
        max_request_bytes: the size limit of a request; a client that exceeds it is disconnected.
        patience_s: the timeout for sending a header, sending a body or reading an answer, plus the transfer time at
            ``bytes_per_s``.
        bytes_per_s: the minimum transfer rate.
    """

    max_connections: ClassVar[int] = 2000
    max_request_bytes: ClassVar[int] = 2**28
    patience_s: ClassVar[float] = 30
    bytes_per_s: ClassVar[float] = 2**15

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Accept the client."""
        self._transport = LingeringTransport(transport, self._client_sends)
        super().connection_made(self._transport)  # type: ignore[arg-type]  # a transport by duck typing
        self._in_head = self._in_body = self._rejected = False
        self._reading = True
        self._began = self.loop.time()
        self._received = 0
        self._unsent = 0
        self._unsent_since = 0.0
        if len(self.connections) > self.max_connections:
            self.reject(503, "Too many connections are open.")

    def data_received(self, data: bytes) -> None:
        """Parse data and reject an oversized header."""
        if self.lingering:
            self._received += len(data)
            return
        if not self._in_body:
            data = _without_upgrade(data)
        self._received += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._in_head and self._received > MAX_HEAD_BYTES:
            self.reject(431, f"The request header is larger than {MAX_HEAD_BYTES} bytes.")
        elif not self._reading and (self.cycle is None or self.cycle.response_complete):
            self._begin_reading()  # blank lines before a request

    def connection_lost(self, exc: Exception | None) -> None:
        """Notify the application."""
        super().connection_lost(exc)
        scope: dict[str, Any] = self.scope or {}  # type: ignore[assignment]  # None before the first request
        if on_disconnect := scope.get(ON_DISCONNECT):
            on_disconnect()

    def on_message_begin(self) -> None:
        """Start the timeout of the header."""
        self._in_head = True
        self._begin_reading()
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header and ignore trailers.

        The size of trailers is not limited.
        """
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start the request and the timeout of the body."""
        self._in_head, self._in_body = False, True
        self._begin_reading()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Note the end of the request."""
        self._in_body = self._reading = False
        self._received = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Reject malformed HTTP."""
        self.reject(400, msg)

    @abstractmethod
    def error(self, status: int, words: str) -> tuple[Headers, bytes]:
        """Return an error's headers and body in the service's format."""

    def reject(self, status: int, words: str) -> None:
        """Answer with an error, and close the connection."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.abort()  # the client would take the error for the answer to its earlier request
            return
        headers, body = self.error(status, words)
        lines = b"".join(b"%b: %b\r\n" % header for header in headers)
        length = b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        self._rejected = True
        self.transport.write(STATUS_LINE[status] + lines + length + body)
        self.transport.close()

    def on_timeout(self) -> None:
        """Abort the connection of an overdue client."""
        self.transport.abort()

    @property
    def lingering(self) -> bool:
        """Whether the client still sends after the final answer."""
        return self._transport.lingering

    def on_response_complete(self) -> None:
        """Continue with the next request, or discard data while lingering."""
        super().on_response_complete()
        if self.lingering:
            self._begin_reading()
            self.flow.resume_reading()

    def overdue(self, now: float) -> bool:
        """Return whether the client exceeds a timeout or size limit.

        Args:
            now: the loop's time; call this at regular intervals, since it measures how fast the client reads.
        """
        return self._sends_too_slowly(now) or self._reads_too_slowly(now)

    def _sends_too_slowly(self, now: float) -> bool:
        if not self._reading:
            return False
        if self.flow.read_paused:  # the previous answer is not ready, which is not the client's fault
            self._began = now
        too_slow = now - self._began > self.patience_s + self._received / self.bytes_per_s
        return too_slow or self._received > self.max_request_bytes

    def _reads_too_slowly(self, now: float) -> bool:
        unsent = self.transport.get_write_buffer_size()
        if unsent == 0 or unsent > self._unsent:
            self._unsent, self._unsent_since = unsent, now
            return False
        return now - self._unsent_since > self.patience_s + (self._unsent - unsent) / self.bytes_per_s

    def _client_sends(self) -> bool:
        """Return whether the client still sends an answered request."""
        return self._in_body or (self._rejected and self._in_head)

    def _begin_reading(self) -> None:
        self._reading = True
        self._began = self.loop.time()


def end_overdue(connections: Iterable[object]) -> None:
    """Abort the connections of overdue clients."""
    now = asyncio.get_running_loop().time()
    for connection in list(connections):
        if isinstance(connection, Connection) and connection.overdue(now):
            if connection.lingering:
                connection.transport.abort()
            else:
                connection.on_timeout()


def _without_upgrade(data: bytes) -> bytes:
    """Hide the Upgrade header of Java's client.

    The parser reads no body after it.
    """
    end = data.find(b"\r\n\r\n")
    offer = _UPGRADE.search(data, 0, end if end >= 0 else len(data))
    return data if offer is None else data[: offer.start(1)] + b"x-" + data[offer.start(1) :]
