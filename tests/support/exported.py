"""Export a checkpoint once for all tests of a run, whichever process they are in."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest

from export import find_checkpoint

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "models" / "demo"
TINY = ROOT / "tests" / "export" / "tiny"
TINY_CLASSIFIER = ROOT / "tests" / "export" / "tiny_classifier"

Precision = Literal["fp32", "bf16", "fp16", "bf16-compute"]
Export = Callable[[Precision], Path]


def exported(
    checkpoint: Path, tmp_path_factory: pytest.TempPathFactory, precision: Precision = "fp32", name: str = "bert_mlm"
) -> Path:
    """Return version 1 of a servable; a test that changes it takes a copy."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # each worker has a folder of its own in the run's
        folder = folder.parent
    servable = folder / "exported" / f"{checkpoint.name}-{precision}" / name
    servable.mkdir(parents=True, exist_ok=True)
    with (servable.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (servable / "1").exists():
            from export.savedmodel import ExportOptions, export_model

            export_model(find_checkpoint(str(checkpoint)), servable, 1, ExportOptions(precision))
    return servable / "1"
