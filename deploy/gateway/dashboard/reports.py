"""Reports for the page: one at a time, kept for some seconds, and computed once for all who ask for the same."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from deploy.gateway.dashboard.computing import Asked, compute
from deploy.gateway.report.errors import TimeLimitError

KEEP_S = 10.0
"""How long a report is shown to others before it is computed anew."""

TIME_LIMIT_S = 30.0
"""How long one report may be computed."""

MOST_WAITING = 4
"""How many different reports are computed or wait at most."""


class Reports:
    """Reports over one log, as elements of HTML.

    Args:
        log: the gateway's log file.
        time_limit_s: how long one may be computed.
        keep_s: how long it is kept.
        compute: computes one, see `computing.compute`.
    """

    def __init__(
        self,
        log: Path,
        *,
        time_limit_s: float = TIME_LIMIT_S,
        keep_s: float = KEEP_S,
        compute: Callable[[Path, Asked, float], Awaitable[str]] = compute,
    ) -> None:
        self._log = log
        self._time_limit_s = time_limit_s
        self._keep_s = keep_s
        self._compute = compute
        self._turn = asyncio.Lock()
        self._tasks: dict[Asked, asyncio.Task[str]] = {}

    async def read(self, asked: Asked) -> str:
        """Return a report's element.

        Raises:
            TimeLimitError: it took too long, or too many others wait.
            ReportError: see `computing.compute`.
        """
        task = self._tasks.get(asked)
        if task is None:
            if len([one for one in self._tasks.values() if not one.done()]) >= MOST_WAITING:
                msg = "too many reports are asked for at a time; try again in some seconds"
                raise TimeLimitError(msg)
            task = self._tasks[asked] = asyncio.create_task(self._in_turn(asked))
            task.add_done_callback(lambda done: self._keep(asked, done))
        return await asyncio.shield(task)  # who goes away does not take the report from the others

    async def close(self) -> None:
        """Give up what is being computed."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _in_turn(self, asked: Asked) -> str:
        async with self._turn:
            return await self._compute(self._log, asked, self._time_limit_s)

    def _keep(self, asked: Asked, done: asyncio.Task[str]) -> None:
        """Forget a report after a while, and a failure at once."""
        failed = done.cancelled() or done.exception() is not None
        done.get_loop().call_later(0 if failed else self._keep_s, self._tasks.pop, asked, None)
