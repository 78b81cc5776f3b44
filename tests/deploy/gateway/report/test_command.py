"""Test the report command."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.deploy.gateway.report.conftest import END, SHANGHAI, START

ROOT = Path(__file__).parents[4]
RANGE = ("--since", START.isoformat(), "--until", END.isoformat(), "--timezone", SHANGHAI)


def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "deploy.gateway.report", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, check=False)


def failure(*arguments: object, **environment: str) -> tuple[int, str]:
    done = run(*arguments, **environment)
    assert done.stdout == b""
    return done.returncode, done.stderr.decode()


def test_text_goes_to_standard_output(folder: Path) -> None:
    done = run(*RANGE, "--log", folder)
    assert (done.returncode, done.stderr) == (0, b"")
    assert "mask_prediction" in done.stdout.decode()


def test_the_folder_of_the_gateways_setting_is_the_default(folder: Path) -> None:
    done = run(*RANGE, "--format", "json", GATEWAY_LOG_FOLDER=str(folder))
    assert json.loads(done.stdout)["totals"]["sentences"] == 20_000


@pytest.mark.parametrize(
    ("name", "start"), [("a.html", b"<!DOCTYPE html>"), ("a.png", b"\x89PNG"), ("a.json", b"{"), ("a.txt", b"Requests")]
)
def test_the_name_of_the_output_says_what_it_is(folder: Path, tmp_path: Path, name: str, start: bytes) -> None:
    done = run(*RANGE, "--log", folder, "--output", tmp_path / name)
    assert (done.returncode, done.stdout) == (0, b"")
    assert (tmp_path / name).read_bytes().startswith(start)


def test_a_reader_who_goes_away_is_no_error(folder: Path) -> None:
    command = [sys.executable, "-m", "deploy.gateway.report", *RANGE, "--log", str(folder), "--format", "json"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_a_range_that_cannot_be_read_is_wrong_usage() -> None:
    status, message = failure("--since", "yesterday")
    assert status == 2
    assert message == (
        "report: since 'yesterday' is not a time; write 90m, 24h, 7d, 2w or a time such as 2026-04-05T10:00:00+08:00\n"
    )


def test_no_files_are_said_in_one_line(tmp_path: Path) -> None:
    status, message = failure("--log", tmp_path)
    assert (status, message.count("\n")) == (1, 1)
    assert message.startswith(f"report: no log file at {tmp_path}")


def test_no_lines_of_the_range_are_said_in_one_line(folder: Path) -> None:
    status, message = failure("--log", folder, "--since", "2026-05-01", "--until", "2026-05-02")
    assert (status, message.count("\n")) == (1, 1)
    assert "has no line from 2026-05-01 00:00 to 2026-05-02 00:00" in message


def test_a_place_that_cannot_be_written_is_said_in_one_line(folder: Path, tmp_path: Path) -> None:
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
