"""Compute reports one at a time with a cache.

Concurrent requests for the same report share one computation, which prevents a cache stampede.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from deploy.gateway.dashboard.computing import ReportQuery, compute
from deploy.gateway.report.errors import TimeLimitError

CACHE_S = 10.0
"""How long a report is cached."""

TIME_LIMIT_S = 30.0
"""The timeout of a report."""

MAX_PENDING = 4
"""The maximum number of different pending reports."""


class Reports:
    """The reports of a log as HTML elements.

    Args:
        log: the gateway's log file.
        time_limit_s: the timeout of a report.
        keep_s: how long a report is cached.
        compute: computes a report (see `computing.compute`).
    """

    def __init__(
        self,
        log: Path,
        *,
        time_limit_s: float = TIME_LIMIT_S,
        keep_s: float = CACHE_S,
        compute: Callable[[Path, ReportQuery, float], Awaitable[str]] = compute,
    ) -> None:
        self._log = log
        self._time_limit_s = time_limit_s
        self._keep_s = keep_s
        self._compute = compute
        self._computing = asyncio.Lock()
        self._tasks: dict[ReportQuery, asyncio.Task[str]] = {}

    async def read(self, query: ReportQuery) -> str:
        """Return a report's HTML element.

        Raises:
            TimeLimitError: the report timed out, or too many others are pending.
            ReportError: see `computing.compute`.
        """
        task = self._tasks.get(query)
        if task is None:
            if len([one for one in self._tasks.values() if not one.done()]) >= MAX_PENDING:
                msg = "too many reports are pending; retry in a few seconds"
                raise TimeLimitError(msg)
            task = self._tasks[query] = asyncio.create_task(self._compute_next(query))
            task.add_done_callback(lambda done: self._keep(query, done))
        return await asyncio.shield(task)  # a disconnected client must not cancel the report for others

    async def close(self) -> None:
        """Cancel pending reports."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _compute_next(self, query: ReportQuery) -> str:
        async with self._computing:
            return await self._compute(self._log, query, self._time_limit_s)

    def _keep(self, query: ReportQuery, done: asyncio.Task[str]) -> None:
        """Schedule a report's removal from the cache.

        A failure is removed at once.
        """
        failed = done.cancelled() or done.exception() is not None
        done.get_loop().call_later(0 if failed else self._keep_s, self._tasks.pop, query, None)
