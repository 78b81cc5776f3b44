"""Test that whole lines are appended to the current file."""

import fcntl
import os
import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.gateway.log.append import append
from deploy.gateway.log.rotation import Rotation, rotated


def test_a_line_that_a_killed_process_left_torn_is_ended_first(tmp_path: Path) -> None:
    log = tmp_path / "gateway.log"
    log.write_bytes(b'{"number":1}\n{"numb')
    assert append(log, b'{"number":2}\n') == 13
    assert log.read_bytes() == b'{"number":1}\n{"numb\n{"number":2}\n'


def test_an_empty_file_is_not_torn(tmp_path: Path) -> None:
    (tmp_path / "gateway.log").touch()
    append(tmp_path / "gateway.log", b"{}\n")
    assert (tmp_path / "gateway.log").read_bytes() == b"{}\n"


def test_who_waited_for_the_lock_of_a_file_that_was_renamed_writes_to_the_new_one(
    tmp_path: Path, until: Callable[[Callable[[], bool]], None]
) -> None:
    log = tmp_path / "gateway.log"
    log.touch()
    with log.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        waiting = threading.Thread(target=append, args=(log, b"{}\n"))
        waiting.start()
        waits = re.compile(rf"-> .*:{os.fstat(held.fileno()).st_ino} ")
        until(lambda: bool(waits.search(Path("/proc/locks").read_text())))
        log.rename(tmp_path / "gateway.log.1")
        log.touch()
    waiting.join()
    assert log.read_bytes() == b"{}\n"
    assert (tmp_path / "gateway.log.1").read_bytes() == b""


def test_a_file_that_cannot_be_renamed_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def rename(*_: object) -> None:
        raise OSError(16, "Device or resource busy")

    monkeypatch.setattr(Path, "rename", rename)
    log = tmp_path / "gateway.log"
    for _ in range(3):
        append(log, b"{}\n", Rotation(max_bytes=1))
    assert log.read_bytes() == b"{}\n" * 3
    assert [record.getMessage() for record in caplog.records] == [f"{log} cannot be rotated: Device or resource busy"]


def test_a_file_system_without_locks_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def flock(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", flock)
    log = tmp_path / "gateway.log"
    append(log, b"{}\n")
    append(log, b"{}\n")
    assert log.read_bytes() == b"{}\n" * 2
    said = [record.getMessage() for record in caplog.records]
    assert said == [f"{log} cannot be locked: Operation not supported; let only one process write it"]


def test_a_pipe_is_written_and_never_rotated(tmp_path: Path) -> None:
    pipe = tmp_path / "gateway.log"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDWR)
    append(pipe, b"{}\n", Rotation(max_bytes=1, interval_s=1))
    append(pipe, b"{}\n", Rotation(max_bytes=1, interval_s=1))
    assert os.read(reader, 100) == b"{}\n{}\n"
    os.close(reader)
    assert rotated(pipe) == []
