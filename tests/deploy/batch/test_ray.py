"""Runs on a local Ray, each in a process of its own."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.deploy.batch.conftest import Write, answers
from tests.support.environment import environment
from tests.support.waiting import wait_until

pytest.importorskip("ray", reason="make ray installs Ray")

pytestmark = pytest.mark.timeout(600)  # each start takes 6 s on an idle machine, and a minute on a busy one

TEXTS = [f"今天天气真[MASK]，第{number}天。" for number in range(1000)]
START_S = 300


def command(source: Path, model: Path, *more: str) -> list[str]:
    return [
        *(sys.executable, "-m", "deploy.batch", "--input", str(source), "--output", str(source.parent / "out")),
        *("--task", "fill", "--model", str(model), "--chunk-rows", "10", "--top-k", "1", "--threads", "1", *more),
    ]


def variables(folder: Path) -> dict[str, str]:
    """Return variables with a home folder that cannot be written, as in a container."""
    home = folder / "home"
    home.mkdir(mode=0o500, exist_ok=True)
    return environment(HOME=str(home), TMPDIR=str(folder))


def run(arguments: list[str], folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        arguments, env=variables(folder), cwd=folder, capture_output=True, text=True, check=False, timeout=START_S
    )


def descendants(process: "subprocess.Popen[bytes]") -> list[psutil.Process]:
    try:
        return list(psutil.Process(process.pid).children(recursive=True))
    except psutil.NoSuchProcess:
        return []


def session_folders(process: psutil.Process) -> list[Path]:
    """Return the folder of Ray's session that a process has in its command line."""
    try:
        words = process.cmdline()
    except psutil.Error:
        return []
    return [Path(word.removeprefix("--temp_dir=")) for word in words if word.startswith("--temp_dir=")]


def worker_of(process: "subprocess.Popen[bytes]") -> psutil.Process | None:
    """Return the process of the actor that answers."""
    for one in descendants(process):
        try:
            if "MapWorker" in " ".join(one.cmdline()):
                return one
        except psutil.Error:
            continue
    return None


def test_every_row_is_answered_once_though_a_worker_and_then_the_command_are_killed(
    write: Write, demo_version: Path, tmp_path: Path
) -> None:
    source = write("a.txt", "\n".join(TEXTS))
    output = tmp_path / "out"
    arguments = command(source, demo_version)

    def parts() -> int:
        return len(list((output / "_checkpoint").glob("part-*")))

    process = subprocess.Popen(arguments, env=variables(tmp_path), cwd=tmp_path, stderr=subprocess.PIPE)
    try:
        wait_until(lambda: parts() >= 2 or process.poll() is not None, within_s=START_S)
        worker = worker_of(process)
        assert worker is not None, output
        worker.kill()
        killed_at = parts()
        wait_until(lambda: parts() > killed_at + 2, within_s=START_S)
        started = descendants(process)
        (folder,) = {word for one in started for word in session_folders(one)}
        agents = {one.pid for one in started if one.name().startswith("ray::") and one.name().endswith("Agent")}
    finally:
        process.kill()
        process.communicate()
    assert parts() < 100, "the command was killed too late for this test"
    # Ray's agents look for their parent once a minute.
    _, left = psutil.wait_procs([one for one in started if one.pid not in agents], timeout=START_S)
    assert left == []
    shutil.rmtree(folder)

    finished = run(arguments, tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert "of 1,000 rows are in" in finished.stderr
    assert [(one["id"], one["text"]) for one in answers(output)] == [
        (f"a.txt:{number}", text) for number, text in enumerate(TEXTS, 1)
    ]
    assert not list(tmp_path.glob("home/.*"))


def test_an_error_in_a_worker_ends_the_run_with_its_sentence(
    write: Write, tiny_classifier_version: Path, tmp_path: Path
) -> None:
    finished = run(command(write("a.txt", TEXTS[0]), tiny_classifier_version, "--workers", "2"), tmp_path)
    assert finished.returncode == 1
    assert finished.stderr.splitlines()[-1].startswith("batch: ")
    assert "bert-mlm classify" in finished.stderr.splitlines()[-1]


def test_a_cluster_that_is_not_there_is_one_sentence(write: Write, demo_version: Path, tmp_path: Path) -> None:
    finished = run(command(write("a.txt", TEXTS[0]), demo_version, "--address", "auto"), tmp_path)
    assert finished.returncode == 1
    assert finished.stderr.splitlines()[-1].startswith("batch: could not join the Ray cluster at auto: ")


def test_sigterm_ends_ray(write: Write, demo_version: Path, tmp_path: Path) -> None:
    source = write("a.txt", "\n".join(TEXTS))
    arguments = command(source, demo_version)
    process = subprocess.Popen(arguments, env=variables(tmp_path), cwd=tmp_path, stderr=subprocess.PIPE)
    try:
        parts = (tmp_path / "out/_checkpoint").glob
        wait_until(lambda: list(parts("part-*")) or process.poll() is not None, within_s=START_S)
        started = descendants(process)
        (folder,) = {word for one in started for word in session_folders(one)}
        os.kill(process.pid, signal.SIGTERM)
        _, errors = process.communicate(timeout=START_S)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert b"run the same command to continue" in errors
    _, left = psutil.wait_procs(started, timeout=START_S)
    assert left == []
    assert not folder.exists()
