from pathlib import Path

import numpy as np

from export import find_checkpoint
from export.checkpoint import load_checkpoint
from loadtest.random_checkpoint import write_random_checkpoint
from tests.conftest import TINY


def test_a_random_checkpoint_can_be_exported(tmp_path: Path) -> None:
    config = write_random_checkpoint(TINY, tmp_path)
    checkpoint = load_checkpoint(find_checkpoint(str(tmp_path)).folder)
    assert checkpoint.config == config
    assert 0.015 < np.std(checkpoint.weights["bert.encoder.layer.1.intermediate.dense.weight"]) < 0.025


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_random_checkpoint(TINY, tmp_path / folder, seed)
    files = [(tmp_path / folder / "model.safetensors").read_bytes() for folder in "abc"]
    assert files[0] == files[1] != files[2]
