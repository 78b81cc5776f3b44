"""Test the rival CTranslate2 against float32."""

from pathlib import Path

import numpy as np
import pytest

from export.checkpoint import load_checkpoint
from export.onnx.session import FloatModel, feeds

DEMO = Path(__file__).parents[3] / "models" / "demo"


def test_the_encoder_is_the_checkpoints_own(tmp_path: Path) -> None:
    pytest.importorskip("ctranslate2", reason="make bench installs it")
    from loadtest.rivals.ctranslate2_encoder import load_encoder
    from loadtest.rivals.ctranslate2_export import convert

    convert(DEMO, tmp_path / "encoder")
    ids = np.random.default_rng(0).integers(110, 7000, (2, 16)).astype(np.int32)
    own = load_encoder(tmp_path / "encoder", 1)(ids)[:, 1:-1].mean(axis=1)
    everywhere = np.tile(np.arange(16, dtype=np.int32), (2, 1))
    [mean] = FloatModel(load_checkpoint(DEMO)).run(["mean"], feeds(ids, everywhere))
    cosines = (own * mean).sum(axis=1) / np.linalg.norm(own, axis=1) / np.linalg.norm(mean, axis=1)
    assert cosines.min() > 0.999
