"""Request bodies: how large one may be, and how much all that are held at a time may take."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class BodyTooLargeError(Exception):
    """Raised for a body over the limit.

    The connection drops the rest of the body and stays, since most clients read no answer before they have sent all.

    Attributes:
        close: the client waits for a word before it sends the body and may then not send it at all: only a new
            connection is in step again.
    """

    def __init__(self, *, close: bool) -> None:
        super().__init__()
        self.close = close


class TooManyBodiesError(Exception):
    """Raised where a body finds no room beside those of other requests."""


class Bodies:
    """The bodies of a server's requests, over all its connections.

    Attributes:
        max_bytes: the largest body.
        max_held_bytes: how much all may take that are being read or answered.
    """

    def __init__(self, *, max_bytes: int, max_held_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.max_held_bytes = max_held_bytes
        self._held_bytes = 0

    @contextmanager
    def reading(self) -> Iterator["BodyReader"]:
        """Hold what is read until the request has its answer."""
        reader = BodyReader(self)
        try:
            yield reader
        finally:
            self._held_bytes -= reader.held_bytes

    def take(self, count: int) -> None:
        """Take room for further bytes.

        Raises:
            TooManyBodiesError: there is none.
        """
        if self._held_bytes + count > self.max_held_bytes:
            raise TooManyBodiesError
        self._held_bytes += count


class BodyReader:
    """Reads one body.

    Attributes:
        held_bytes: how much it holds so far.
    """

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self.held_bytes = 0

    async def read(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes | None:
        """Return the body, or None if the client is gone.

        Raises:
            BodyTooLargeError: it is larger than a body may be.
            TooManyBodiesError: there is no room for it beside the others.
        """
        limit = self._bodies.max_bytes
        announced = headers.get(b"content-length", b"")
        if announced.isdigit() and int(announced) > limit:
            raise BodyTooLargeError(close=b"expect" in headers)
        chunks = []
        while True:
            event = await receive()
            if event["type"] == "http.disconnect":
                return None
            chunk = event.get("body", b"")
            if self.held_bytes + len(chunk) > limit:
                raise BodyTooLargeError(close=False)
            self.hold(len(chunk))
            chunks.append(chunk)
            if not event.get("more_body", False):
                return b"".join(chunks)

    def hold(self, count: int) -> None:
        """Count further bytes, such as those of a body that was unpacked.

        Raises:
            TooManyBodiesError: there is no room for them.
        """
        self._bodies.take(count)
        self.held_bytes += count
