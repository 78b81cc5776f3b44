"""One HTTP/1.1 connection: uvicorn's, with limits on what a client may send and on how long it may take.

uvicorn leaves both to a proxy. Here a slow or silent client costs a socket for a while and no thread: the server asks
each of its connections once a second whether it is ``overdue``, so that a request pays for no timer of its own.
"""

import asyncio
import re
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_CONNECTIONS = 2000
"""How many clients may be connected; one more is answered 503."""

MAX_HEAD_BYTES = 2**16
"""The largest request line with its headers."""

MAX_REQUEST_BYTES = 2**28
"""How much a client may send for one request, nearly all of which is dropped, before it is cut off."""

IDLE_S = 75
"""How long a connection may wait for its next request; longer than pools of clients keep theirs."""

PATIENCE_S = 30
"""How long a client may take to send a request or to read an answer, besides the time that its bytes need ..."""

BYTES_PER_S = 2**15
"""... at this rate."""

_TOO_MANY = b'{ "error": "Too many connections are open." }'
_REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
    b"connection: close\r\n\r\n%b" % (len(_TOO_MANY), _TOO_MANY)
)
_UPGRADE = re.compile(rb"\r\n(upgrade[ \t]*:)", re.IGNORECASE)


class Connection(HttpToolsProtocol):
    """A client's connection, from its first byte to its last."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Accept the client."""
        super().connection_made(transport)
        self._task: asyncio.Task[None] | None = None
        self._draining = False
        self._in_head = True
        self._reading = True
        self._began = self.loop.time()
        self._received = 0
        self._unsent = 0
        self._unsent_since = 0.0
        if len(self.connections) > MAX_CONNECTIONS:
            transport.write(_REFUSAL)
            transport.close()

    def data_received(self, data: bytes) -> None:
        """Read what came, and refuse a head without an end."""
        if self._in_head:
            data = _without_upgrade(data)
        self._received += len(data)
        super().data_received(data)
        if self._in_head and self._received > MAX_HEAD_BYTES:
            self.send_400_response(f"The request's head is larger than {MAX_HEAD_BYTES} bytes.")

    def on_message_begin(self) -> None:
        """Begin to count a request."""
        super().on_message_begin()
        self._in_head = self._reading = True
        self._began = self.loop.time()
        self._received = 0

    def on_headers_complete(self) -> None:
        """Begin to answer."""
        self._in_head = False
        super().on_headers_complete()
        if self._draining:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        """Note that the client has done its part; what comes next is another head."""
        self._reading = False
        self._in_head = True
        self._received = 0
        super().on_message_complete()

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._task = self.loop.create_task(cycle.run_asgi(app))
        self._task.add_done_callback(self.tasks.discard)
        self.tasks.add(self._task)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client, and do not compute an answer that nobody reads."""
        super().connection_lost(exc)
        if self._task is not None and not self.cycle.response_started:
            self._task.cancel()

    def drain(self) -> None:
        """Answer what is asked and then close."""
        self._draining = True
        if self.cycle is not None:
            self.cycle.keep_alive = False
        for cycle, _ in self.pipeline:
            cycle.keep_alive = False

    @property
    def idle(self) -> bool:
        """Whether nothing has come since the last answer."""
        waiting = self.cycle is None or self.cycle.response_complete
        return waiting and not (self._reading and self._received)

    def overdue(self, now: float) -> bool:
        """Return whether the client takes too long to send its request or to read its answer, or sends without end.

        Args:
            now: the loop's time; call this at regular intervals, since it watches how fast the client reads.
        """
        if self._reading and self.flow.read_paused:  # the answer before this one is not ready: the server's own time
            self._began = now
        if self._reading:
            too_slow = now - self._began > PATIENCE_S + self._received / BYTES_PER_S
            return too_slow or self._received > MAX_REQUEST_BYTES
        unsent = self.transport.get_write_buffer_size()
        if unsent == 0 or unsent > self._unsent:
            self._unsent, self._unsent_since = unsent, now
            return False
        return now - self._unsent_since > PATIENCE_S + (self._unsent - unsent) / BYTES_PER_S


def _without_upgrade(data: bytes) -> bytes:
    """Hide an offer to go on in HTTP/2, which Java's client makes with every request: the parser would read no body."""
    end = data.find(b"\r\n\r\n")
    offer = _UPGRADE.search(data, 0, end if end >= 0 else len(data))
    return data if offer is None else data[: offer.start(1)] + b"x-" + data[offer.start(1) :]
