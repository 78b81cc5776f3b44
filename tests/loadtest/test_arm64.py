"""Test the light engine under arm64's emulation, and the command's errors."""

import os
from pathlib import Path

import pytest

from loadtest import arm64

VARIABLES = ("ARM64_ROOT", "ARM64_PACKAGES", "ARM64_QEMU")


def test_the_engine_answers_on_arm64(demo_version: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if not all(os.environ.get(name) for name in VARIABLES):
        pytest.skip(f"there is no emulated arm64 Python: {', '.join(VARIABLES)} name none (deploy/embedded/README.md)")
    root, packages, qemu = (os.environ[name] for name in VARIABLES)
    given = [f"--root={root}", f"--packages={packages}", f"--qemu={qemu}", f"--version={demo_version}"]
    assert arm64.main(given) == 0
    assert '"machine": "aarch64"' in capsys.readouterr().out


def test_a_missing_python_is_one_sentence(
    demo_version: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert arm64.main([f"--root={tmp_path}", f"--packages={tmp_path}", f"--version={demo_version}"]) == 1
    error = capsys.readouterr().err
    assert "python3.11 is missing; unpack Debian's arm64 packages" in error
    assert error.count("\n") == 1


def test_a_missing_emulator_is_one_sentence(
    demo_version: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    python = tmp_path / "usr" / "bin" / "python3.11"
    python.parent.mkdir(parents=True)
    python.touch()
    given = [f"--root={tmp_path}", f"--packages={tmp_path}", f"--version={demo_version}", f"--qemu={tmp_path / 'none'}"]
    assert arm64.main(given) == 1
    assert "install qemu-user 10.0 or newer" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("tokens", "score", "told"),
    [([1, 2], 0.5, []), ([2, 1], 0.5, ["tokens [2, 1] instead of [1, 2]"]), ([1, 2], 0.6, ["scores differ by 0.1"])],
)
def test_differences_are_named(tokens: list[int], score: float, told: list[str]) -> None:
    here = {"token_ids": [1, 2], "scores": [0.5, 0.1]}
    assert arm64.differences(here, {"token_ids": tokens, "scores": [score, 0.1]}) == told
