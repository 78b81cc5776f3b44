"""One HTTP/1.1 connection: uvicorn's, with limits on what a client may send and on how long it may take.

uvicorn leaves both to a proxy. Here a slow or silent client costs a socket for a while and no thread: a server calls
``end_overdue`` once a second, so that a request pays for no timer of its own. A service derives a class with its own
limits and the form of its errors.
"""

import asyncio
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from deploy.http.lingering import LingeringTransport

MAX_HEAD_BYTES = 2**16
"""The largest request line with its headers."""

IDLE_S = 75
"""How long a connection may wait for its next request; longer than pools of clients keep theirs."""

_UPGRADE = re.compile(rb"\r\n(upgrade[ \t]*:)", re.IGNORECASE)

Headers = Sequence[tuple[bytes, bytes]]


class Connection(HttpToolsProtocol, ABC):
    """A client's connection, from its first byte to its last.

    Attributes:
        max_connections: how many clients may be connected; one more is answered 503.
        max_request_bytes: how much a client may send for one request before it is cut off.
        patience_s: how long a client may take to send a head, to send a body or to read an answer, besides the time
            that its bytes need ...
        bytes_per_s: ... at this rate.
    """

    max_connections: ClassVar[int] = 2000
    max_request_bytes: ClassVar[int] = 2**28
    patience_s: ClassVar[float] = 30
    bytes_per_s: ClassVar[float] = 2**15

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Accept the client."""
        self._transport = LingeringTransport(transport, self._client_sends)
        super().connection_made(self._transport)  # type: ignore[arg-type]  # a transport but for its class
        self._in_head = self._in_body = self._refused = False
        self._reading = True
        self._began = self.loop.time()
        self._received = 0
        self._unsent = 0
        self._unsent_since = 0.0
        if len(self.connections) > self.max_connections:
            self.refuse(503, "Too many connections are open.")

    def data_received(self, data: bytes) -> None:
        """Read what came, and refuse a head without an end."""
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
            self.refuse(431, f"The request's head is larger than {MAX_HEAD_BYTES} bytes.")
        elif not self._reading and (self.cycle is None or self.cycle.response_complete):
            self._begin_reading()  # blank lines before a request

    def on_message_begin(self) -> None:
        """Wait for a head."""
        self._in_head = True
        self._begin_reading()
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; those that come after a body, trailers, have no use here and no bound."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin to answer, and wait for the body."""
        self._in_head, self._in_body = False, True
        self._begin_reading()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Note that the client has done its part; what comes next is another head."""
        self._in_body = self._reading = False
        self._received = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        self.refuse(400, msg)

    @abstractmethod
    def error(self, status: int, words: str) -> tuple[Headers, bytes]:
        """Return headers and body of an error, in the service's form."""

    def refuse(self, status: int, words: str) -> None:
        """Answer in place of the application, and end the connection."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.abort()  # an earlier request waits for its answer, and would take this one for it
            return
        headers, body = self.error(status, words)
        lines = b"".join(b"%b: %b\r\n" % header for header in headers)
        length = b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        self._refused = True
        self.transport.write(STATUS_LINE[status] + lines + length + body)
        self.transport.close()

    def give_up(self) -> None:
        """End the connection of a client that is overdue."""
        self.transport.abort()

    @property
    def lingering(self) -> bool:
        """Whether the client has its answer, the last one, and still sends."""
        return self._transport.lingering

    def on_response_complete(self) -> None:
        """Go on to the next request, or drop what the client still sends after its answer."""
        super().on_response_complete()
        if self.lingering:
            self._begin_reading()
            self.flow.resume_reading()

    def overdue(self, now: float) -> bool:
        """Return whether the client takes too long to send its request or to read its answer, or sends without end.

        Args:
            now: the loop's time; call this at regular intervals, since it watches how fast the client reads.
        """
        return self._sends_too_slowly(now) or self._reads_too_slowly(now)

    def _sends_too_slowly(self, now: float) -> bool:
        if not self._reading:
            return False
        if self.flow.read_paused:  # the answer before this one is not ready: that is no fault of what is sent
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
        """Return whether the client is in the middle of a request that has its answer."""
        return self._in_body or (self._refused and self._in_head)

    def _begin_reading(self) -> None:
        self._reading = True
        self._began = self.loop.time()


def end_overdue(connections: Iterable[object]) -> None:
    """End the connections of clients that do not do their part."""
    now = asyncio.get_running_loop().time()
    for connection in list(connections):
        if isinstance(connection, Connection) and connection.overdue(now):
            if connection.lingering:
                connection.transport.abort()
            else:
                connection.give_up()


def _without_upgrade(data: bytes) -> bytes:
    """Hide an offer to go on in HTTP/2, which Java's client makes with every request: the parser would read no body."""
    end = data.find(b"\r\n\r\n")
    offer = _UPGRADE.search(data, 0, end if end >= 0 else len(data))
    return data if offer is None else data[: offer.start(1)] + b"x-" + data[offer.start(1) :]
