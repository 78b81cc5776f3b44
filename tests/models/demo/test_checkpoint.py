"""Tests of the shipped checkpoint's size and answers."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from export.checkpoint import load_checkpoint
from models.demo.ten_lines import TEN_LINES
from models.demo.tokenizer import build_tokenizer, id_of
from tests.conftest import DEMO


@pytest.fixture(scope="module")
def fill_mask(demo_version: Path) -> Any:
    return tf.saved_model.load(str(demo_version)).signatures["fill_mask"]


def test_the_folder_stays_under_14_mb() -> None:
    assert sum(path.stat().st_size for path in DEMO.rglob("*") if path.is_file()) < 14e6


def test_at_least_eight_of_ten_everyday_sentences_get_the_right_character(fill_mask: Any) -> None:
    checkpoint = load_checkpoint(DEMO)
    tokenizer = build_tokenizer(checkpoint.vocabulary)
    right = []
    for text, character in TEN_LINES:
        ids = tokenizer.encode(text).ids
        masks = [ids.index(id_of(tokenizer, "[MASK]"))]
        inputs = {"input_ids": [ids], "lengths": [len(ids)], "mask_positions": [masks]}
        best = fill_mask(**{name: tf.constant(np.array(value, np.int32)) for name, value in inputs.items()})
        right.append(checkpoint.vocabulary[int(best["token_ids"][0, 0, 0])] == character)
    assert sum(right) >= 8
