"""Run the script that copies a server's standard error to files."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deploy.gateway.log.lines import ResourceUsage

LOG = Path(__file__).parents[2] / "deploy/serving/log.sh"
BASH = shutil.which("bash")

pytestmark = pytest.mark.skipif(BASH is None, reason="the script is a bash script, and there is no bash")


def start(folder: Path, program: str, **variables: str) -> "subprocess.Popen[bytes]":
    command = [str(BASH), str(LOG), sys.executable, "-c", program]
    environment = {**os.environ, "LOG_FOLDER": str(folder), **variables}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def lines(folder: Path, kind: str = "serving") -> list[str]:
    return [line for file in sorted(folder.glob(f"{kind}-*.log")) for line in file.read_text("utf-8").splitlines()]


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


def test_every_start_has_a_file_of_its_own(tmp_path: Path) -> None:
    for _ in range(2):
        start(tmp_path, "import sys; print('x', file=sys.stderr)").communicate(timeout=60)
    first, second = (file.read_text("utf-8")[:64] for file in sorted(tmp_path.glob("serving-*")))
    assert first != second  # Filebeat knows a file by its first 64 bytes


def test_the_servers_cpu_and_memory_are_lines_of_the_gateways_kind(tmp_path: Path) -> None:
    program = """
import os, sys, time
block = b"x" * (64 << 20)
print(os.getpid(), flush=True)
while True:  # busy until the test has seen enough
    pass
"""
    process = start(tmp_path, program, LOG_INTERVAL_S="0.2")
    assert process.stdout
    pid = int(process.stdout.readline())
    before = len(lines(tmp_path, "resources")) + 1  # written while the program was still starting
    deadline = time.monotonic() + 60
    while len(lines(tmp_path, "resources")) < before + 3:
        assert time.monotonic() < deadline
        time.sleep(0.05)  # between two looks
    process.terminate()
    process.communicate()
    found = [json.loads(line) for line in lines(tmp_path, "resources")][before:]
    names = {"timestamp", "level", *(field.name for field in dataclasses.fields(ResourceUsage))}
    for line in found:
        assert line.keys() - {"instance"} <= names
        assert (line["module"], line["task"], line["process"], line["pid"]) == (
            "resource",
            "resource_usage",
            "server",
            pid,
        )
        assert 64 < line["memory_mb"] < 200
    assert 0 < found[-1]["cpu_percent"] < 150


def test_a_server_runs_without_a_folder_to_write_to(tmp_path: Path) -> None:
    process = start(tmp_path / "missing", "import sys; print('x', file=sys.stderr)")
    _, error = process.communicate(timeout=60)
    assert process.returncode == 0
    assert error.decode() == f"log.sh: {tmp_path / 'missing'} cannot be written; nothing is copied to it\nx\n"


def test_a_missing_command_is_a_usage_error() -> None:
    result = subprocess.run([str(BASH), str(LOG)], capture_output=True, check=False)
    assert (result.returncode, result.stderr) == (2, b"log.sh: give the command to run\n")
