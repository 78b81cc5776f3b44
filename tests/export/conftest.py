"""Provide the small checkpoint and a version exported from it."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import TINY


@pytest.fixture(scope="session")
def golden() -> list[dict[str, Any]]:
    """The golden answers of transformers (see make_golden.py)."""
    answers: list[dict[str, Any]] = json.loads((TINY / "golden.json").read_text(encoding="utf-8"))
    return answers


@pytest.fixture
def tiny_copy(tmp_path: Path) -> Path:
    """A copy of the checkpoint that a test may change."""
    return Path(shutil.copytree(TINY, tmp_path / "checkpoint"))
