"""Run the script that copies a server's standard error to files."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

LOG = Path(__file__).parents[2] / "deploy/serving/log.sh"
BASH = shutil.which("bash")

pytestmark = pytest.mark.skipif(BASH is None, reason="the script is a bash script, and there is no bash")


def start(folder: Path, program: str, **variables: str) -> "subprocess.Popen[bytes]":
    command = [str(BASH), str(LOG), sys.executable, "-c", program]
    environment = {**os.environ, "LOG_FOLDER": str(folder), **variables}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def lines(folder: Path) -> list[str]:
    return [line for file in sorted(folder.glob("serving-*.log")) for line in file.read_text("utf-8").splitlines()]


def test_standard_error_is_copied_to_the_last_byte_and_the_status_is_the_servers(tmp_path: Path) -> None:
    program = (
        "import sys\nprint('out')\n"
        r"sys.stderr.write('床前\n  two\\n  spaces\n\n' + 'last words')" + "\nsys.exit(7)"
    )
    process = start(tmp_path, program)
    out, error = process.communicate(timeout=60)
    assert process.returncode == 7
    assert out == b"out\n"
    assert error.decode() == "床前\n  two\\n  spaces\n\nlast words\n"
    first, *copied = lines(tmp_path)
    assert first.endswith(": I log.sh:1] opened")
    assert copied == ["床前", "  two\\n  spaces", "", "last words"]


def test_sigterm_reaches_the_server_which_ends_in_its_own_time(tmp_path: Path) -> None:
    program = """
import signal, sys, time
def end(*_):
    print("ending", file=sys.stderr, flush=True)
    time.sleep(0.2)
    print("ended", file=sys.stderr, flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
while True:
    signal.pause()
"""
    process = start(tmp_path, program)
    assert process.stdout
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert lines(tmp_path)[1:] == ["ending", "ended"]
    process.communicate()


def test_files_are_limited_in_size_and_number(tmp_path: Path) -> None:
    program = "import sys\nfor number in range(100): print(f'{number:099}', file=sys.stderr)"
    process = start(tmp_path, program, LOG_MAX_BYTES="1000")
    process.communicate(timeout=60)
    files = sorted(tmp_path.glob("serving-*.log"))
    assert len(files) == 3
    assert all(file.stat().st_size < 1200 for file in files)
    assert lines(tmp_path)[-1].endswith("99")
    assert all(file.read_text("utf-8").split("\n", 1)[0].endswith("opened") for file in files)


def test_every_start_has_a_file_of_its_own(tmp_path: Path) -> None:
    for _ in range(2):
        start(tmp_path, "import sys; print('x', file=sys.stderr)").communicate(timeout=60)
    first, second = (file.read_text("utf-8")[:64] for file in sorted(tmp_path.glob("serving-*")))
    assert first != second  # Filebeat knows a file by its first 64 bytes


def test_a_server_runs_without_a_folder_to_write_to(tmp_path: Path) -> None:
    process = start(tmp_path / "missing", "import sys; print('x', file=sys.stderr)")
    _, error = process.communicate(timeout=60)
    assert process.returncode == 0
    assert error.decode() == f"log.sh: {tmp_path / 'missing'} cannot be written; nothing is copied to it\nx\n"


def test_a_missing_command_is_a_usage_error() -> None:
    result = subprocess.run([str(BASH), str(LOG)], capture_output=True, check=False)
    assert (result.returncode, result.stderr) == (2, b"log.sh: give the command to run\n")
