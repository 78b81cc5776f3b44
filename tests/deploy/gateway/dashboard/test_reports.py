"""Test that reports are computed one at a time and cached."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.gateway.dashboard.computing import ReportQuery
from deploy.gateway.dashboard.reports import MAX_PENDING, Reports
from deploy.gateway.report.errors import NoLogError, TimeLimitError

LOG = Path("gateway.log")
Compute = Callable[[Path, ReportQuery, float], Awaitable[str]]
DAY = ReportQuery("24h", None, "UTC", "en")


class Slow:
    """A computation that waits for the test, and counts its calls."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.began = asyncio.Event()
        self.count = self.at_once = self.most_at_once = 0
        self.error: Exception | None = None

    async def __call__(self, log: Path, asked: ReportQuery, time_limit_s: float) -> str:
        assert (log, time_limit_s) == (LOG, 30.0)
        self.began.set()
        self.count += 1
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        try:
            await self.go.wait()
        finally:
            self.at_once -= 1
        if self.error:
            raise self.error
        return f"{asked} {self.count}"


@contextlib.asynccontextmanager
async def reports_of(compute: Compute, **options: float) -> AsyncIterator[Reports]:
    reports = Reports(LOG, compute=compute, **options)
    try:
        yield reports
    finally:
        await reports.close()


async def test_who_asks_the_same_waits_for_the_first() -> None:
    slow = Slow()
    async with reports_of(slow) as reports:
        asking = [asyncio.create_task(reports.read(DAY)) for _ in range(5)]
        await slow.began.wait()
        slow.go.set()
        answers = await asyncio.gather(*asking)
        assert len(set(answers)) == 1
        assert slow.count == 1
        assert await reports.read(DAY) == answers[0]
        assert slow.count == 1


async def test_another_range_or_language_is_another_report_and_one_is_computed_at_a_time() -> None:
    slow = Slow()
    async with reports_of(slow) as reports:
        others = [DAY, replace(DAY, language="zh"), replace(DAY, timezone="Asia/Shanghai")]
        asking = [asyncio.create_task(reports.read(one)) for one in others]
        await slow.began.wait()
        slow.go.set()
        assert len(set(await asyncio.gather(*asking))) == 3
        assert (slow.count, slow.most_at_once) == (3, 1)


async def test_a_report_is_kept_for_a_while_only() -> None:
    slow = Slow()
    slow.go.set()
    async with reports_of(slow, keep_s=0) as reports:
        await reports.read(DAY)
        async with asyncio.timeout(30):
            while slow.count < 2:
                await reports.read(DAY)
                await asyncio.sleep(0)


async def test_who_goes_away_does_not_take_the_report_from_the_others() -> None:
    slow = Slow()
    async with reports_of(slow) as reports:
        first, second = (asyncio.create_task(reports.read(DAY)) for _ in range(2))
        await slow.began.wait()
        first.cancel()
        slow.go.set()
        assert await second == f"{DAY} 1"


async def test_too_many_different_reports_are_refused_at_once() -> None:
    slow = Slow()
    async with reports_of(slow) as reports:
        asking = [asyncio.create_task(reports.read(replace(DAY, since=f"{hours}h"))) for hours in range(MAX_PENDING)]
        await slow.began.wait()
        with pytest.raises(TimeLimitError, match="too many reports"):
            await reports.read(DAY)
        slow.go.set()
        await asyncio.gather(*asking)


async def test_a_failure_is_not_kept() -> None:
    slow = Slow()
    slow.error = NoLogError("no log")
    slow.go.set()
    async with reports_of(slow) as reports:
        with pytest.raises(NoLogError):
            await reports.read(DAY)
        await asyncio.sleep(0)
        slow.error = None
        assert await reports.read(DAY) == f"{DAY} 2"


async def test_closing_ends_what_is_being_computed_and_what_waits() -> None:
    slow = Slow()
    async with reports_of(slow) as reports:
        asking = [asyncio.create_task(reports.read(one)) for one in (DAY, replace(DAY, language="zh"))]
        await slow.began.wait()
        await reports.close()
        outcomes = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError] * 2
    assert (slow.count, slow.at_once) == (1, 0)
