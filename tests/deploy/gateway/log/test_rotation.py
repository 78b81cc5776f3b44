"""Test rotation by size and time, retention and compression."""

import fcntl
import gzip
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import pytest

from deploy.gateway.log.append import append
from deploy.gateway.log.rotation import Rotation, rotated, tidy

Until = Callable[[Callable[[], bool]], None]
DAY_S = 86_400


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "gateway.log"


def everything(log: Path) -> list[bytes]:
    files = [*rotated(log), log]
    texts = [gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes() for file in files]
    return b"".join(texts).splitlines()


def test_a_file_is_rotated_before_it_would_be_too_large(log: Path) -> None:
    for number in range(10):
        append(log, b"%09d\n" % number, Rotation(max_bytes=40, interval_s=None))
    assert [file.stat().st_size for file in rotated(log)] == [40, 40]
    assert log.stat().st_size == 20
    assert everything(log) == [b"%09d" % number for number in range(10)]


def test_one_batch_may_be_larger_than_a_file(log: Path) -> None:
    append(log, b"0123456789\n" * 10, Rotation(max_bytes=40))
    assert log.stat().st_size == 110


@pytest.mark.parametrize(
    ("last_written", "now", "is_due"),
    [
        (10 * DAY_S - 1, 10 * DAY_S + 1, True),
        (10 * DAY_S + 1, 11 * DAY_S - 1, False),
        (10 * DAY_S + 1, 13 * DAY_S, True),
        (10 * DAY_S, 10 * DAY_S - 1, False),  # the clock was put back
    ],
)
def test_a_file_holds_lines_of_one_day(
    last_written: float, now: float, is_due: bool, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.write_bytes(b"yesterday\n")
    os.utime(log, (last_written, last_written))
    monkeypatch.setattr(time, "time", lambda: now)
    append(log, b"today\n", Rotation(max_bytes=None))
    assert (log.read_bytes() == b"today\n") is is_due
    assert len(rotated(log)) == is_due
    assert everything(log) == [b"yesterday", b"today"]


def test_an_empty_file_is_never_rotated(log: Path) -> None:
    log.touch()
    os.utime(log, (0, 0))
    append(log, b"today\n", Rotation())
    assert rotated(log) == []


def test_no_rotated_file_is_replaced_when_the_clock_is_put_back(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock(datetime):
        times: ClassVar = [datetime(2026, 4, 5, 10, 23, second, tzinfo=UTC) for second in (1, 1, 1, 2)]

        @classmethod
        def now(cls, _: object = None) -> Any:
            return cls.times.pop(0)

    monkeypatch.setattr("deploy.gateway.log.rotation.datetime", Clock)
    for number in range(3):
        append(log, b"%d\n" % number, Rotation(max_bytes=1, interval_s=None))
    assert everything(log) == [b"0", b"1", b"2"]


def test_so_many_files_are_kept(log: Path, until: Until) -> None:
    foreign = log.with_name("gateway.log-20200101")  # logrotate's, for example
    foreign.touch()
    for number in range(10):
        append(log, b"%09d\n" % number, Rotation(max_bytes=10, keep=3))
    until(lambda: len(rotated(log)) == 3)
    assert everything(log) == [b"%09d" % number for number in range(6, 10)]
    assert foreign.exists()


def test_rotated_files_are_compressed_without_loss(log: Path, until: Until) -> None:
    for number in range(5):
        append(log, b"%09d\n" % number, Rotation(max_bytes=10, compress=True))
    tidy(log, Rotation(compress=True))
    until(lambda: all(file.suffix == ".gz" for file in rotated(log)))
    assert everything(log) == [b"%09d" % number for number in range(5)]
    assert not list(log.parent.glob(".*"))


@pytest.mark.parametrize("moment", ["before it is opened", "before it is locked"])
def test_a_file_that_another_compresses_first_stops_nothing(
    log: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    for number in range(3):
        append(log, b"%d\n" % number, Rotation(max_bytes=1))
    first, second = rotated(log)
    opened, locked = Path.open, fcntl.flock

    def other() -> None:
        monkeypatch.undo()
        first.unlink()
        with gzip.open(f"{first}.gz", "wb") as compressed:
            compressed.write(b"0\n")

    def open_late(path: Path, *arguments: Any) -> Any:
        other()
        return opened(path, *arguments)

    def lock_late(*arguments: Any) -> None:
        other()
        locked(*arguments)

    if moment == "before it is opened":
        monkeypatch.setattr(Path, "open", open_late)
    else:
        monkeypatch.setattr(fcntl, "flock", lock_late)
    tidy(log, Rotation(compress=True))
    assert [file.name for file in rotated(log)] == [f"{first.name}.gz", f"{second.name}.gz"]
    assert everything(log) == [b"0", b"1", b"2"]
    assert not list(log.parent.glob(".*"))


def test_a_file_that_is_being_compressed_is_left_to_who_does_it(log: Path) -> None:
    append(log, b"1\n")
    append(log, b"2\n", Rotation(max_bytes=1))
    (file,) = rotated(log)
    with file.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        tidy(log, Rotation(compress=True))
        assert rotated(log) == [file]
    tidy(log, Rotation(compress=True))
    assert [file.suffix for file in rotated(log)] == [".gz"]


def test_keep_0_removes_every_rotated_file(log: Path, until: Until) -> None:
    append(log, b"1\n")
    append(log, b"2\n", Rotation(max_bytes=1, keep=0, compress=True))
    until(lambda: rotated(log) == [])
    assert log.read_bytes() == b"2\n"
