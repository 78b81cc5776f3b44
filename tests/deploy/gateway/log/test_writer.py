"""Test that accepted lines are written despite file errors, and losses reported."""

import json
import logging
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.gateway.log.append import append
from deploy.gateway.log.rotation import Rotation
from deploy.gateway.log.writer import LogWriter

ROOT = Path(__file__).parents[4]
Until = Callable[[Callable[[], bool]], None]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "gateway.log"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 256 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk needs root's rights")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def line(number: int) -> bytes:
    return json.dumps({"number": number, "padding": "中" * (number % 50)}, ensure_ascii=False).encode() + b"\n"


def numbers(*files: Path) -> list[int]:
    """Return the numbered lines' numbers; a line that is torn fails here."""
    written = [json.loads(text) for file in files for text in file.read_bytes().split(b"\n")[:-1]]
    return [one["number"] for one in written if "number" in one]


def test_lines_are_written_in_order_and_the_folder_is_made(log: Path) -> None:
    with LogWriter(log) as writer:
        assert all(writer.write(line(number)) for number in range(1000))
    assert numbers(log) == list(range(1000))
    assert writer.status.lines_written == 1000
    assert writer.status.bytes_waiting == 0
    assert writer.status.lines_lost == {}


def test_lines_appear_without_closing(log: Path, until: Until) -> None:
    with LogWriter(log) as writer:
        writer.write(line(1))
        until(lambda: writer.status.lines_written == 1)
        assert numbers(log) == [1]


def test_nothing_is_opened_before_there_is_a_line(log: Path) -> None:
    LogWriter(log).close()
    assert not log.exists()


def test_others_may_not_read_the_log(log: Path) -> None:
    with LogWriter(log) as writer:
        writer.write(line(1))
    assert log.stat().st_mode & 0o007 == 0


def test_threads_write_side_by_side(log: Path) -> None:
    def write(first: int) -> None:
        for number in range(first, first + 1000):
            writer.write(line(number))

    with LogWriter(log) as writer:
        threads = [threading.Thread(target=write, args=(first,)) for first in range(0, 8000, 1000)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(numbers(log)) == list(range(8000))


def test_after_a_rename_lines_go_to_a_new_file(log: Path, until: Until) -> None:
    with LogWriter(log) as writer:
        writer.write(line(1))
        until(lambda: writer.status.lines_written == 1)
        log.rename(log.with_name("gateway.log.1"))
        writer.write(line(2))
    assert numbers(log.with_name("gateway.log.1")) == [1]
    assert numbers(log) == [2]


def test_a_folder_that_vanishes_is_made_again(log: Path, until: Until) -> None:
    with LogWriter(log) as writer:
        writer.write(line(1))
        until(lambda: writer.status.lines_written == 1)
        shutil.rmtree(log.parent)
        writer.write(line(2))
        until(lambda: writer.status.lines_written == 2)
    assert numbers(log) == [2]


def test_a_line_after_the_end_is_refused_and_counted(log: Path) -> None:
    writer = LogWriter(log)
    writer.close()
    assert not writer.write(line(1))
    assert writer.status.lines_lost == {"closed": 1}
    writer.close()


def test_while_the_disk_is_full_lines_wait(
    log: Path, until: Until, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    def count_and_append(path: Path, lines: bytes, rotation: Rotation | None) -> int:
        tries.append(lines)
        return append(path, lines, rotation)

    monkeypatch.setattr("deploy.gateway.log.writer.append", count_and_append)
    monkeypatch.setattr("deploy.gateway.log.writer.RETRY_S", 0.01)
    log.parent.mkdir()
    log.symlink_to("/dev/full")
    with LogWriter(log) as writer:
        for number in range(100):
            assert writer.write(line(number))
        until(lambda: len(tries) > 3)
        assert writer.status.problem == "No space left on device"
        assert writer.status.lines_written == 0
        log.unlink()
        until(lambda: writer.status.problem is None)
        assert writer.status.lines_written == 100
    assert numbers(log) == list(range(100))
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        f"{log} cannot be written: No space left on device; lines wait, and are lost when too many do",
        f"{log} is written again; 0 lines were lost",
    ]


def test_lost_lines_are_counted_and_told_once_when_the_log_works_again(
    log: Path, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    log.parent.mkdir()
    log.symlink_to("/dev/full")
    with LogWriter(log, capacity_bytes=1000) as writer:
        accepted = [number for number in range(100) if writer.write(line(number))]
        assert 0 < len(accepted) < 100
        assert writer.status.lines_lost == {"queue_full": 100 - len(accepted)}
        until(lambda: writer.status.problem is not None)
        log.unlink()
        until(lambda: writer.status.problem is None)
        assert writer.write(line(100))
    assert numbers(log) == [*accepted, 100]
    told = [one for text in log.read_text().splitlines() if "lost_lines" in (one := json.loads(text))]
    assert [(one["lost_lines"], one["level"], one["error"]) for one in told] == [
        (100 - len(accepted), "ERROR", "No space left on device")
    ]
    assert [record.levelno for record in caplog.records] == [logging.ERROR, logging.ERROR, logging.WARNING]


def test_what_cannot_be_written_until_the_end_is_counted(log: Path) -> None:
    log.parent.mkdir()
    log.symlink_to("/dev/full")
    with LogWriter(log) as writer:
        for number in range(10):
            writer.write(line(number))
    assert writer.status.lines_lost == {"unwritable": 10}


def test_a_disk_that_fills_up_leaves_no_torn_line(small_disk: Path, until: Until) -> None:
    log, ballast = small_disk / "gateway.log", small_disk / "ballast"
    ballast.write_bytes(b"0" * 100_000)
    with LogWriter(log) as writer:
        for number in range(4000):
            assert writer.write(line(number))
        until(lambda: writer.status.problem is not None)
        written = numbers(log)
        assert 0 < len(written) == writer.status.lines_written < 4000
        log.rename(small_disk / "gateway.log.1")
        shutil.move(small_disk / "gateway.log.1", small_disk.parent)
        ballast.unlink()
        writer.write(line(4000))
        until(lambda: writer.status.problem is None or writer.status.lines_written > len(written))
        shutil.copy(log, small_disk.parent / "gateway.log.2")
    assert numbers(small_disk.parent / "gateway.log.1") == written
    again = numbers(small_disk.parent / "gateway.log.2")
    assert again == list(range(len(written), len(written) + len(again)))


FILL = """
import resource, sys
from pathlib import Path
from deploy.gateway.log.writer import LogWriter
from tests.deploy.gateway.log.test_writer import line
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.RLIM_INFINITY))
with LogWriter(Path(sys.argv[1])) as writer:
    for number in range(1000):
        assert writer.write(line(number))
    input()
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
"""


def test_a_file_that_may_not_grow_leaves_no_torn_line_and_loses_none(log: Path, until: Until) -> None:
    command = [sys.executable, "-c", FILL, str(log)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        until(lambda: log.exists() and log.stat().st_size > 9_000)
        assert process.stderr
        assert process.stderr.readline() == (
            f"{log} cannot be written: File too large; lines wait, and are lost when too many do\n"
        )
        written = numbers(log)
        assert log.read_bytes().endswith(b"}\n")
        assert written == list(range(len(written)))
        process.communicate("\n")
    assert process.returncode == 0
    assert numbers(log) == list(range(1000))


TERMINATE = """
import signal, sys, threading
from pathlib import Path
from deploy.gateway.log.writer import LogWriter
from tests.deploy.gateway.log.test_writer import line
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
with LogWriter(Path(sys.argv[1])) as writer:
    number = 0
    while not stop.is_set():
        number += writer.write(line(number))
        if number == 1000:
            print("begun", flush=True)
print(number)
"""


def test_what_was_accepted_before_sigterm_is_written(log: Path) -> None:
    command = [sys.executable, "-c", TERMINATE, str(log)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGTERM)
        accepted = int(process.stdout.read())
    assert numbers(log) == list(range(accepted))


def test_an_end_without_closing_writes_what_was_accepted(log: Path) -> None:
    script = """
import sys
from pathlib import Path
from deploy.gateway.log.writer import LogWriter
from tests.deploy.gateway.log.test_writer import line
writer = LogWriter(Path(sys.argv[1]))
for number in range(1000):
    writer.write(line(number))
sys.exit("an error")
"""
    process = subprocess.run([sys.executable, "-c", script, str(log)], cwd=ROOT, stderr=subprocess.PIPE, check=False)
    assert process.stderr == b"an error\n"
    assert numbers(log) == list(range(1000))


def test_a_missing_right_is_told_by_its_name(tmp_path: Path, until: Until) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("this is no folder")
    writer = LogWriter(blocked / "gateway.log")
    writer.write(line(1))
    until(lambda: writer.status.problem is not None)
    assert writer.status.problem == "Not a directory"
    blocked.unlink()
    until(lambda: writer.status.problem is None)
    writer.close()
    assert numbers(blocked / "gateway.log") == [1]
