"""What a caller may ask for: how large a body, how slowly sent, and how many requests at a time.

Plain ASGI: a body is read once, here, so that a slow client holds a socket and no turn.
"""

import asyncio
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deploy.gateway import paths
from deploy.gateway.context import current
from deploy.gateway.disconnect import run_while_connected
from deploy.gateway.errors import RETRY_AFTER_S, ApiError


class BodyLimit:
    """Read a request's body, refuse it while it comes if it is too large or too slow, and pass it on whole.

    Args:
        app: what answers.
        max_bytes: the largest body.
        timeout_s: how long it may take to come.
    """

    def __init__(self, app: ASGIApp, *, max_bytes: int, timeout_s: float) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] in {"GET", "HEAD", "OPTIONS"}:
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._timeout_s):
                body = await self._read(dict(scope["headers"]), receive)
        except ApiError as error:
            await error.response()(scope, receive, send)
            return
        except TimeoutError:
            words = f"the body did not come within {self._timeout_s:g} s; send it at once"
            await ApiError(408, "BodyTimeoutError", words, {"Connection": "close"}).response()(scope, receive, send)
            return
        if body is not None:
            await run_while_connected(self._app(scope, _Replay(body, receive), send), receive)

    async def _read(self, headers: dict[bytes, bytes], receive: Receive) -> bytes | None:
        """Return the body, or None if the client is gone.

        Raises:
            ApiError: the body is too large.
        """
        announced = headers.get(b"content-length", b"")
        if announced.isdigit() and int(announced) > self._max_bytes:
            # A client that waits for a word before the body may not send it at all: only a new connection is in step.
            raise self._too_large(close=b"expect" in headers)
        chunks = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > self._max_bytes:
                raise self._too_large()
            chunks.append(chunk)
            if not message.get("more_body", False):
                return b"".join(chunks)

    def _too_large(self, *, close: bool = False) -> ApiError:
        words = f"the body is larger than {self._max_bytes} bytes; send fewer sentences at a time"
        return ApiError(413, "BodyTooLargeError", words, {"Connection": "close"} if close else None)


class _Replay:
    """A body that has been read, as the application expects to receive it."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._message: Message | None = {"type": "http.request", "body": body, "more_body": False}
        self._receive = receive

    async def __call__(self) -> Message:
        message, self._message = self._message, None
        return message or await self._receive()


class Turns:
    """Who may be answered now, and who waits in line.

    Args:
        at_once: how many are answered at a time.
        queue: how many may wait.
        wait_s: how long they may wait.
    """

    def __init__(self, *, at_once: int, queue: int, wait_s: float) -> None:
        self._free = asyncio.Semaphore(at_once)
        self._queue = queue
        self._wait_s = wait_s
        self.in_flight = 0
        self.waiting = 0

    async def take(self) -> bool:
        """Wait for a turn and return whether there is one; who has it must `give` it back."""
        if not self._free.locked():
            await self._free.acquire()  # comes back at once
        elif self.waiting >= self._queue or not await self._wait():
            return False
        self.in_flight += 1
        return True

    def give(self) -> None:
        """Let the next one in."""
        self.in_flight -= 1
        self._free.release()

    async def _wait(self) -> bool:
        self.waiting += 1
        began = perf_counter()
        try:
            async with asyncio.timeout(self._wait_s):
                return await self._free.acquire()
        except TimeoutError:
            return False
        finally:
            self.waiting -= 1
            if context := current.get():
                context.queue_s = perf_counter() - began


class ConcurrencyLimit:
    """Answer questions in turns, and send those away for which the line is too long.

    Args:
        app: what answers.
        turns: how many at a time.
    """

    def __init__(self, app: ASGIApp, *, turns: Turns) -> None:
        self._app = app
        self._turns = turns

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or not paths.is_question(scope["path"]):
            await self._app(scope, receive, send)
            return
        if not await self._turns.take():
            words = (
                f"too many requests at a time: {self._turns.in_flight} are being answered and {self._turns.waiting} "
                f"wait; come again in {RETRY_AFTER_S} s, or send several sentences in one request"
            )
            refusal = ApiError(429, "ConcurrencyLimitError", words, {"Retry-After": str(RETRY_AFTER_S)})
            await refusal.response()(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            self._turns.give()
