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
from deploy.http import Bodies, BodyTooLargeError, TooManyBodiesError

BODIES = 64
"""How many bodies of the largest size there is room for."""


class BodyLimit:
    """Read a request's body, refuse it while it comes if it is too large or too slow, and pass it on whole.

    Args:
        app: what answers.
        max_bytes: the largest body; all that are held at a time may take as much as `BODIES` of that size.
        timeout_s: how long it may take to come.
    """

    def __init__(self, app: ASGIApp, *, max_bytes: int, timeout_s: float) -> None:
        self._app = app
        self._bodies = Bodies(max_bytes=max_bytes, max_held_bytes=BODIES * max_bytes)
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] in {"GET", "HEAD", "OPTIONS"}:
            await self._app(scope, receive, send)
            return
        with self._bodies.reading() as reader:
            try:
                async with asyncio.timeout(self._timeout_s):
                    body = await reader.read(dict(scope["headers"]), receive)
            except (BodyTooLargeError, TooManyBodiesError, TimeoutError) as error:
                await self._refusal(error).response()(scope, receive, send)
                return
            if body is not None:
                await run_while_connected(self._app(scope, _Replay(body, receive), send), receive)

    def _refusal(self, error: BodyTooLargeError | TooManyBodiesError | TimeoutError) -> ApiError:
        closing = {"Connection": "close"}
        match error:
            case BodyTooLargeError():
                words = f"the body is larger than {self._bodies.max_bytes} bytes; send fewer sentences at a time"
                return ApiError(413, "BodyTooLargeError", words, closing if error.close else None)
            case TooManyBodiesError():
                words = (
                    f"the bodies of other requests fill the {self._bodies.max_held_bytes} bytes that there are; "
                    f"come again in {RETRY_AFTER_S} s"
                )
                return ApiError(503, "TooManyBodiesError", words, {"Retry-After": str(RETRY_AFTER_S)})
            case TimeoutError():
                words = f"the body did not come within {self._timeout_s:g} s; send it at once"
                return ApiError(408, "BodyTimeoutError", words, closing)


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
            if context := current.get():
                context.if_refused(refusal)
            await refusal.response()(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            self._turns.give()
