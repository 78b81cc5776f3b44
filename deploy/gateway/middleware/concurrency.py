"""Limit how many questions are answered at a time, and how many wait."""

import asyncio
from time import perf_counter

from starlette.types import ASGIApp, Receive, Scope, Send

from deploy.gateway import paths
from deploy.gateway.context import current
from deploy.gateway.errors import RETRY_AFTER_S, ApiError


class ConcurrencySlots:
    """Slots for the requests that are answered, and a bounded queue for those that wait.

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

    async def acquire(self) -> bool:
        """Wait for a slot and return whether there is one; the caller must `release` it."""
        if not self._free.locked():
            await self._free.acquire()  # comes back at once
        elif self.waiting >= self._queue or not await self._wait():
            return False
        self.in_flight += 1
        return True

    def release(self) -> None:
        """Give a slot back."""
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
    """Answer as many questions at a time as there are slots, and reject those for which the queue is full.

    Args:
        app: what answers.
        slots: how many there are.
    """

    def __init__(self, app: ASGIApp, *, slots: ConcurrencySlots) -> None:
        self._app = app
        self._slots = slots

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or not paths.is_question(scope["path"]):
            await self._app(scope, receive, send)
            return
        if not await self._slots.acquire():
            words = (
                f"too many requests at a time: {self._slots.in_flight} are being answered and {self._slots.waiting} "
                f"wait; come again in {RETRY_AFTER_S} s, or send several sentences in one request"
            )
            refusal = ApiError(429, "ConcurrencyLimitError", words, {"Retry-After": str(RETRY_AFTER_S)})
            if context := current.get():
                context.on_rejected(refusal)
            await refusal.response()(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            self._slots.release()
