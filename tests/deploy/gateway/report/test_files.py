import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deploy.gateway.report.errors import NoLogError, ReportError
from deploy.gateway.report.files import open_logs

SINCE = datetime(2026, 4, 5, tzinfo=UTC)


def names(log: Path) -> list[str]:
    with open_logs(log, SINCE) as files:
        return [file.path.name for file in files]


def touch(path: Path, age_s: float = -60) -> None:
    path.write_bytes(b"{}\n")
    seconds = SINCE.timestamp() - age_s
    os.utime(path, (seconds, seconds))


def test_rotated_files_of_every_usual_name_are_found_and_others_left(tmp_path: Path) -> None:
    rotated = [
        "gateway-20260405.log",
        "gateway.log",
        "gateway.log-20260405-1775379600.gz",
        "gateway.log-20260405T102345.123456Z",
        "gateway.log-20260405T102346.123456Z.gz",
        "gateway.log.1",
        "gateway.log.2.gz",
    ]
    for name in [
        *rotated,
        ".gateway.log.1.gz",
        "gateway.log.tmp",
        "gateway.txt",
        "server.log",
        "mygateway.log",
        "gateway.log.1.xz",
    ]:
        touch(tmp_path / name)
    (tmp_path / "gateway.log.9").mkdir()
    assert names(tmp_path / "gateway.log") == rotated


def test_a_folder_gives_every_log_in_it(tmp_path: Path) -> None:
    for name in ("gateway.log", "gateway.log.1", ".gateway.log.2.gz", "notes.txt"):
        touch(tmp_path / name)
    assert names(tmp_path) == ["gateway.log", "gateway.log.1"]


def test_the_log_may_be_missing_just_after_a_rotation(tmp_path: Path) -> None:
    touch(tmp_path / "gateway.log.1")
    assert names(tmp_path / "gateway.log") == ["gateway.log.1"]


def test_a_file_last_written_before_the_range_is_left_with_a_minute_for_clocks(tmp_path: Path) -> None:
    touch(tmp_path / "gateway.log", age_s=0)
    touch(tmp_path / "gateway.log.1", age_s=59)
    touch(tmp_path / "gateway.log.2", age_s=61)
    assert names(tmp_path) == ["gateway.log", "gateway.log.1"]


def test_a_file_that_is_being_gzipped_counts_once(tmp_path: Path) -> None:
    touch(tmp_path / "gateway.log.1")
    touch(tmp_path / "gateway.log.1.gz")
    assert names(tmp_path) == ["gateway.log.1"]


def test_an_empty_file_is_left(tmp_path: Path) -> None:
    (tmp_path / "gateway.log").touch()
    assert names(tmp_path) == []


def test_files_stay_what_they_were_when_they_are_rotated_and_removed(tmp_path: Path) -> None:
    log = tmp_path / "gateway.log"
    touch(log)
    with open_logs(log, SINCE) as (file,):
        log.rename(tmp_path / "gateway.log.1").unlink()
        log.write_bytes(b"another")
        assert file.source.read_bytes() == b"{}\n"


def test_no_log_at_all_is_said_with_the_flag_that_mends_it(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match=r"no log file at .*nothing\.log; .*--log"):
        names(tmp_path / "nothing.log")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoLogError, match=r"no log file at .*/absent"):
        names(tmp_path / "absent" / "gateway.log")
