"""Limit the size of request bodies, each and in total.

Starlette 1.10's ``max_body_size`` limits each body, but not the memory of all, a decompressed body, or the time, and
its 413 is plain text.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class BodyTooLargeError(Exception):
    """The body exceeds the size limit.

    The connection discards the rest of the body and stays open, as most clients read the answer after sending all.

    Attributes:
        close: whether the connection must be closed, as the client sent Expect and may never send the body.
    """

    def __init__(self, *, close: bool) -> None:
        super().__init__()
        self.close = close


class TooManyBodiesError(Exception):
    """The bodies of all requests exceed the memory limit."""


class Bodies:
    """The memory limit of the bodies of all requests.

    Attributes:
        max_bytes: the size limit of a body.
        max_held_bytes: the limit for all bodies that are being read or answered.
    """

    def __init__(self, *, max_bytes: int, max_held_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.max_held_bytes = max_held_bytes
        self._held_bytes = 0

    @contextmanager
    def reading(self) -> Iterator["BodyReader"]:
        """Reserve memory for a body until its request is answered."""
        reader = BodyReader(self)
        try:
            yield reader
        finally:
            self._held_bytes -= reader.held_bytes

    def take(self, count: int) -> None:
        """Reserve further bytes.

        Raises:
            TooManyBodiesError: the limit is exceeded.
        """
        if self._held_bytes + count > self.max_held_bytes:
            raise TooManyBodiesError
        self._held_bytes += count


class BodyReader:
    """Read a body.

    Attributes:
        held_bytes: the bytes reserved so far.
    """

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self.held_bytes = 0

    async def read(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes | None:
        """Return the body, or None if the client has disconnected.

        Raises:
            BodyTooLargeError: the body exceeds the size limit.
            TooManyBodiesError: the memory limit of all bodies is exceeded.
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
        """Reserve further bytes, for example of a decompressed body.

        Raises:
            TooManyBodiesError: the memory limit of all bodies is exceeded.
        """
        self._bodies.take(count)
        self.held_bytes += count
