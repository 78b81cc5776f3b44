"""Connections that nobody can hold for nothing: bounds on their number, on heads, and on every wait for a client.

uvicorn bounds the pause between two requests, and `BodyLimit` the body. What uvicorn leaves open is closed here.
"""

import asyncio
import re
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from deploy.gateway.envelope import SECURITY_HEADERS
from deploy.gateway.errors import RETRY_AFTER_S, ApiError
from deploy.gateway.settings import Settings

MAX_HEAD_BYTES = 64 * 1024
"""The largest head of a request: its first line and headers."""

_UPGRADE = re.compile(rb"\r\n(upgrade[ \t]*:)", re.IGNORECASE)


class Connection(HttpToolsProtocol):
    """One connection, for as long as its client does its part."""

    client_timeout_s: ClassVar[float]
    max_connections: ClassVar[int]

    _timer: asyncio.TimerHandle | None = None  # runs while the client is to send something
    _write_timer: asyncio.TimerHandle | None = None  # runs while it is to read something
    _is_in_head = False
    _is_in_body = False
    _bytes = 0  # of the request so far

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Take a connection, if it is not one too many, and wait for its first request."""
        super().connection_made(transport)
        if len(self.connections) > self.max_connections:
            words = f"{self.max_connections} connections are open, and this gateway takes no more; try again later"
            self._refuse(ApiError(503, "ConnectionLimitError", words, {"Retry-After": str(RETRY_AFTER_S)}))
        else:
            self._expect_more()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_expecting()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came, and see to it that what is begun comes to an end."""
        if not self._is_in_body:
            data = _without_upgrade(data)
        self._bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._is_in_head and self._bytes > MAX_HEAD_BYTES:
            words = f"the head of the request is larger than {MAX_HEAD_BYTES} bytes; send less in address and headers"
            self._refuse(ApiError(431, "HeadTooLargeError", words))
        elif self._is_in_head or self.cycle is None or self.cycle.response_complete:
            self._expect_more()  # of a head, of blank lines before one, or of a body that nobody waited for

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._is_in_head = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; those that come after a body, trailers, have no use here and no bound."""
        if self._is_in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Answer a request; its body is `BodyLimit`'s to wait for."""
        self._is_in_head, self._is_in_body = False, True
        self._stop_expecting()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """End a request; what else came with it is the next one's."""
        self._is_in_body, self._bytes = False, 0
        super().on_message_complete()

    def pause_writing(self) -> None:
        """Wait for a client that does not read its answer, but not for ever."""
        super().pause_writing()
        self._write_timer = self.loop.call_later(self.client_timeout_s, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on when it has read enough."""
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, in the form of all errors."""
        self._refuse(ApiError(400, "MalformedRequestError", f"this is no HTTP/1.1 request ({msg.rstrip('.').lower()})"))

    def _expect_more(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(self.client_timeout_s, self._too_late)

    def _stop_expecting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_late(self) -> None:
        if self._is_in_head:
            words = f"the head of the request did not come within {self.client_timeout_s:g} s; send it at once"
            self._refuse(ApiError(408, "HeadTimeoutError", words))
        else:
            self.transport.abort()

    def _refuse(self, error: ApiError) -> None:
        """Answer in place of the application, and end the connection."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.abort()  # an earlier request waits for its answer, and would take this one for it
            return
        response = error.response()
        headers = [*response.raw_headers, *SECURITY_HEADERS, (b"connection", b"close")]
        head = b"".join(b"%b: %b\r\n" % header for header in headers)
        self.transport.write(STATUS_LINE[error.status] + head + b"\r\n" + bytes(response.body))
        self.transport.close()


def _without_upgrade(data: bytes) -> bytes:
    """Hide an offer to go on in HTTP/2, which Java's client makes with every request: the parser would read no body."""
    end = data.find(b"\r\n\r\n")
    offer = _UPGRADE.search(data, 0, end if end >= 0 else len(data))
    return data if offer is None else data[: offer.start(1)] + b"x-" + data[offer.start(1) :]


def limited(settings: Settings) -> type[Connection]:
    """Return the class of connections with the settings' limits."""

    class Limited(Connection):
        client_timeout_s = settings.client_timeout_s
        max_connections = settings.max_connections

    return Limited
