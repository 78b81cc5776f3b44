"""The comparison of deploy.batch with the engine alone."""

import sys
from pathlib import Path

import pytest

from loadtest.batch.engine_alone import answer_alone
from loadtest.batch.speed import Round, Run, main, measure, screen
from loadtest.processes import StartError


def test_the_engine_alone_answers_every_line(demo_version: Path, tmp_path: Path) -> None:
    source = tmp_path / "lines.txt"
    source.write_text("床前[MASK]月光。\n没有掩码。\n春[MASK]不觉晓。\n", "utf-8")
    assert answer_alone(source, demo_version, threads=1) == 2


def test_the_cpu_time_of_children_counts(tmp_path: Path) -> None:
    burn = "import time\nwhile time.process_time() < 1: pass"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}], check=True)"
    run = measure([sys.executable, "-c", parent], tmp_path / "log")
    assert 0.5 < run.cpu_s < 3
    assert run.seconds >= 1


def test_a_failed_command_is_reported(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="ended with status 3; its log is"):
        measure([sys.executable, "-c", "raise SystemExit(3)"], tmp_path / "log")


def test_a_folder_that_is_no_model_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--model", str(tmp_path), "--lines", "1", "--work", str(tmp_path / "work")]) == 1
    assert "is not a model" in capsys.readouterr().err


def test_ratios_are_those_of_the_command_by_the_engine() -> None:
    one = Round(Run(10.0, 20.0), Run(12.5, 23.0))
    assert (one.rate_ratio, one.cpu_ratio) == (0.8, 1.15)
    table = screen(1000, [one])
    assert "100.0        80.0        20.0        23.0" in table
    assert "0.800 times those of the engine alone, CPU seconds 1.150 times" in table
