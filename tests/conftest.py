"""Fixtures with the checkpoints, each exported once per run."""

from pathlib import Path

import pytest

from tests.support.exported import DEMO, TINY, exported

__all__ = ["DEMO", "TINY"]


@pytest.fixture(scope="session")
def demo_version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 1 of the shipped checkpoint."""
    return exported(DEMO, tmp_path_factory)


@pytest.fixture(scope="session")
def tiny_version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 1 of the tests' small checkpoint."""
    return exported(TINY, tmp_path_factory)
