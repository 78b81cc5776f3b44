"""Limit concurrent and queued questions."""

import asyncio
from time import perf_counter

from starlette.types import ASGIApp, Receive, Scope, Send

from deploy.gateway import paths
from deploy.gateway.context import current
from deploy.gateway.errors import RETRY_AFTER_S, ApiError


class ConcurrencySlots:
    """Concurrency slots with a bounded queue.

    Args:
        limit: the number of slots.
        queue: the maximum number of waiting requests.
        wait_s: the timeout of the queue.
    """

    def __init__(self, *, limit: int, queue: int, wait_s: float) -> None:
        self._free = asyncio.Semaphore(limit)
        self._queue = queue
        self._wait_s = wait_s
        self.in_flight = 0
        self.waiting = 0

    async def acquire(self) -> bool:
        """Wait for a slot.

        Return False on timeout or if the queue is full. The caller must `release` the slot.
        """
        if not self._free.locked():
            await self._free.acquire()  # returns at once
        elif self.waiting >= self._queue or not await self._wait():
            return False
        self.in_flight += 1
        return True

    def release(self) -> None:
        """Release a slot."""
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
    """Run each question in a slot.

    It is rejected if the queue is full.

    Args:
        app: the next application.
        slots: the slots.
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
                f"too many concurrent requests: {self._slots.in_flight} in flight, {self._slots.waiting} waiting; "
                f"retry in {RETRY_AFTER_S} s, or send several sentences in one request"
            )
            rejection = ApiError(429, "ConcurrencyLimitError", words, {"Retry-After": str(RETRY_AFTER_S)})
            await rejection.rejection()(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            self._slots.release()
