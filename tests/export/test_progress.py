"""Test the progress bar."""

import os
import pty
import subprocess
import sys

import pytest

from export.progress import progress_bar

SCRIPT = """
from export.progress import progress_bar
for number in progress_bar([1, 2, 3], "Reading sentences"):
    pass
"""


def test_no_progress_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(progress_bar([1, 2, 3], "Reading sentences")) == [1, 2, 3]
    assert capsys.readouterr().out == ""


def test_terminal_shows_step_and_progress() -> None:
    ours, theirs = pty.openpty()
    subprocess.run([sys.executable, "-c", SCRIPT], stdout=theirs, check=True)
    shown = os.read(ours, 65536)
    assert b"Reading sentences" in shown
    assert b"100%" in shown
