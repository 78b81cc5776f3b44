"""Test the report process and its cancellation."""

import asyncio
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from deploy.gateway.dashboard import computing
from deploy.gateway.dashboard.computing import ReportQuery, compute
from deploy.gateway.report.errors import NoLogError, ReportError, TimeLimitError, UsageError
from loadtest.processes import ROOT
from tests.deploy.gateway.conftest import environment, wait_until
from tests.deploy.gateway.report.conftest import END, START
from tests.deploy.gateway.report.generate import log_lines, write

DAY = ReportQuery(START.isoformat(), END.isoformat(), "UTC", "en")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("logs") / "gateway.log"
    write(log_lines(200, START, END), path)
    return path


async def test_a_report_is_an_element_in_the_language_that_was_asked_for(log: Path) -> None:
    english, chinese = await asyncio.gather(compute(log, DAY, 60), compute(log, replace(DAY, language="zh"), 60))
    assert 'class="report"' in english
    assert "Latency" in english
    assert "延迟" in chinese


async def test_what_is_wrong_comes_back_as_it_was_raised(tmp_path: Path, log: Path) -> None:
    with pytest.raises(NoLogError):
        await compute(tmp_path / "gateway.log", DAY, 60)
    with pytest.raises(UsageError):
        await compute(log, replace(DAY, since="yesterday or so"), 60)
    with pytest.raises(TimeLimitError, match=r"within 0\.001 s"):
        await compute(log, DAY, 0.001)


async def test_a_process_that_dies_is_said(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(ReportError, match="ended with status 1"):
        await compute(log, DAY, 60)


async def test_who_cancels_leaves_no_process_behind(log: Path) -> None:
    computed = asyncio.create_task(compute(log, DAY, 600))
    await asyncio.to_thread(wait_until, _children)
    computed.cancel()
    with pytest.raises(asyncio.CancelledError):
        await computed
    assert not _children()


def test_a_gateway_that_is_killed_takes_the_report_along(log: Path) -> None:
    program = (
        "import asyncio, pathlib; from deploy.gateway.dashboard.computing import ReportQuery, compute;"
        f"asyncio.run(compute(pathlib.Path({str(log)!r}), ReportQuery('1h', None, 'UTC', 'en'), 600))"
    )
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, env=environment()) as gateway:
        wait_until(lambda: psutil.Process(gateway.pid).children())
        [child] = psutil.Process(gateway.pid).children()
        gateway.kill()
        wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def _children() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if computing.__name__ in child.cmdline()]
