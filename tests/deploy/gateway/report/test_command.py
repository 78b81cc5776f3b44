"""Test the report command."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import pytest

from deploy.gateway.report.__main__ import main
from tests.deploy.gateway.report.conftest import END, SHANGHAI, START

ROOT = Path(__file__).parents[4]
RANGE = ("--since", START.isoformat(), "--until", END.isoformat(), "--timezone", SHANGHAI)


class Command(Protocol):
    """The report command in this process."""

    def __call__(self, *arguments: object) -> tuple[int, bytes, str]:
        """Return the exit status and what it wrote to both outputs."""


@pytest.fixture
def run(capsysbinary: pytest.CaptureFixture[bytes]) -> Command:
    def command(*arguments: object) -> tuple[int, bytes, str]:
        status = main([*map(str, arguments)])
        out, err = capsysbinary.readouterr()
        return status, out, err.decode()

    return command


@pytest.fixture
def failure(run: Command) -> Callable[..., tuple[int, str]]:
    def command(*arguments: object) -> tuple[int, str]:
        status, out, err = run(*arguments)
        assert out == b""
        return status, err

    return command


def test_text_goes_to_standard_output(folder: Path, run: Command) -> None:
    status, out, err = run(*RANGE, "--log", folder)
    assert (status, err) == (0, "")
    assert "Fill in words" in out.decode()


def test_the_folder_of_the_gateways_setting_is_the_default(
    folder: Path, run: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_LOG_FOLDER", str(folder))
    _, out, _ = run(*RANGE, "--format", "json")
    assert json.loads(out)["totals"]["sentences"] == 20_000


@pytest.mark.parametrize(
    ("name", "start"), [("a.html", b"<!DOCTYPE html>"), ("a.png", b"\x89PNG"), ("a.json", b"{"), ("a.txt", b"Requests")]
)
def test_the_name_of_the_output_says_what_it_is(
    folder: Path, tmp_path: Path, run: Command, name: str, start: bytes
) -> None:
    status, out, _ = run(*RANGE, "--log", folder, "--output", tmp_path / name)
    assert (status, out) == (0, b"")
    assert (tmp_path / name).read_bytes().startswith(start)


def test_a_reader_who_goes_away_is_no_error(folder: Path) -> None:
    command = [sys.executable, "-m", "deploy.gateway.report", *RANGE, "--log", str(folder), "--format", "json"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_a_range_that_cannot_be_read_is_wrong_usage(failure: Callable[..., tuple[int, str]]) -> None:
    status, message = failure("--since", "yesterday")
    assert status == 2
    assert message == (
        "report: since 'yesterday' is not a time; write 90m, 24h, 7d, 2w or a time such as 2026-04-05T10:00:00+08:00\n"
    )


def test_no_files_are_said_in_one_line(tmp_path: Path, failure: Callable[..., tuple[int, str]]) -> None:
    status, message = failure("--log", tmp_path)
    assert (status, message.count("\n")) == (1, 1)
    assert message.startswith(f"report: no log file at {tmp_path}")


def test_no_lines_of_the_range_are_said_in_one_line(folder: Path, failure: Callable[..., tuple[int, str]]) -> None:
    status, message = failure("--log", folder, "--since", "2026-05-01", "--until", "2026-05-02")
    assert (status, message.count("\n")) == (1, 1)
    assert "has no line from 2026-05-01 00:00 to 2026-05-02 00:00" in message


def test_a_place_that_cannot_be_written_is_said_in_one_line(
    folder: Path, tmp_path: Path, failure: Callable[..., tuple[int, str]]
) -> None:
    status, message = failure(*RANGE, "--log", folder, "--output", tmp_path / "absent" / "a.html")
    assert (status, message.count("\n")) == (1, 1)
    assert "cannot be written" in message


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a process another user")
@pytest.mark.parametrize("closed", ["logs", "logs/gateway.log"])
def test_a_log_that_may_not_be_read_is_said_in_one_line(folder: Path, closed: str) -> None:
    """Run in a process that drops its privileges, since root may read everything."""
    code = (
        "import os, sys; from deploy.gateway.report import query; from deploy.gateway.report.__main__ import main; "
        "os.setgid(65534); os.setuid(65534); sys.exit(main())"
    )
    with TemporaryDirectory() as place:
        log = shutil.copytree(folder, Path(place) / "logs") / "gateway.log"
        for path in (Path(place), log.parent):
            path.chmod(0o755)
        (Path(place) / closed).chmod(0)
        command = [sys.executable, "-c", code, *RANGE, "--log", str(log)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
        message = done.stderr.decode()
        assert (done.returncode, done.stdout, message.count("\n")) == (1, b"", 1)
        assert f"{log} cannot be read (Permission denied)" in message
