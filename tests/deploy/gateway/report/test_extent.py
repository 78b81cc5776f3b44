"""Test the times of a log's first and last line."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deploy.gateway.report.errors import NoLogError
from deploy.gateway.report.extent import log_extent
from tests.deploy.gateway.report.conftest import START
from tests.deploy.gateway.report.generate import Line, write


def line(hours: float) -> Line:
    at = (START + timedelta(hours=hours)).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
    return {"timestamp": at, "module": "inference", "task": "mask_prediction", "status": "success"}


def test_the_extent_goes_over_all_files(tmp_path: Path) -> None:
    write([line(0), line(1)], tmp_path / "gateway.log.2.gz")
    write([line(2), line(3)], tmp_path / "gateway.log.1")
    write([line(4), line(5)], tmp_path / "gateway.log")
    assert log_extent(tmp_path) == (START, START + timedelta(hours=5))


def test_lines_that_are_cut_off_or_foreign_do_not_count(tmp_path: Path) -> None:
    log = tmp_path / "gateway.log"
    write([line(1), line(2)], log)
    with log.open("r+") as file:
        written = file.read()
        file.seek(0)
        file.write(f'Traceback\n{{"timestamp": 5}}\n{written}{{"timestamp":"2026-04-05T20:')
    assert log_extent(log) == (START + timedelta(hours=1), START + timedelta(hours=2))


def test_an_empty_log_has_no_extent_and_a_missing_one_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NoLogError):
        log_extent(tmp_path / "gateway.log")
    (tmp_path / "gateway.log").touch()
    assert log_extent(tmp_path) is None


def test_a_gzipped_file_alone_ends_when_it_was_written(tmp_path: Path) -> None:
    log = tmp_path / "gateway.log.1.gz"
    write([line(0), line(1)], log)
    assert log_extent(tmp_path) == (START, datetime.fromtimestamp(log.stat().st_mtime, UTC))
