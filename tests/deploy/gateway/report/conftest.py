from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deploy.gateway.report.figures import Report
from deploy.gateway.report.query import read_report
from deploy.gateway.report.time_range import TimeRange, time_range
from tests.deploy.gateway.report.generate import Line, log_lines, write

START = datetime(2026, 4, 5, 6, 30, tzinfo=UTC)
END = datetime(2026, 4, 6, 6, 30, tzinfo=UTC)
SHANGHAI = "Asia/Shanghai"


def line(second: float = 0, **fields: object) -> Line:
    """Return the line of an answered sentence, seconds after the day begins."""
    at = (START + timedelta(seconds=second)).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
    task = {
        "module": "inference",
        "task": "mask_prediction",
        "status": "success",
        "batch_size": 1,
        "total_time_ms": 10.0,
    }
    return {"timestamp": at, "level": "INFO", **task, **fields}


@pytest.fixture(scope="session")
def day() -> TimeRange:
    """The generated day, which is part of two days in Shanghai."""
    return time_range(START.isoformat(), END.isoformat(), SHANGHAI)


@pytest.fixture(scope="session")
def lines() -> list[Line]:
    return list(log_lines(20_000, START, END))


@pytest.fixture(scope="session")
def folder(lines: list[Line], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The day's log, rotated twice."""
    folder = tmp_path_factory.mktemp("logs")
    write(lines[:9_000], folder / "gateway.log.2.gz")
    write(lines[9_000:18_000], folder / "gateway.log.1")
    write(lines[18_000:], folder / "gateway.log")
    return folder


@pytest.fixture(scope="session")
def report(folder: Path, day: TimeRange) -> Report:
    return read_report(folder, day)


@pytest.fixture
def report_of(tmp_path: Path) -> Callable[..., Report]:
    """Report what a log of these lines says."""

    def read(*lines: Line, since: datetime = START, hours: float = 24, zone: str = "UTC") -> Report:
        write(lines, tmp_path / "gateway.log")
        chosen = time_range(since.isoformat(), (since + timedelta(hours=hours)).isoformat(), zone)
        return read_report(tmp_path / "gateway.log", chosen)

    return read
