from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from export.finetune.plan import Plan
from export.finetune.trainer.batches import Texts, evaluation_batches, hide, token_types, training_batches

PAD, CLS, SEP, MASK = 0, 2, 3, 4


def plan(**values: Any) -> Plan:
    defaults: dict[str, Any] = {
        "seed": 1, "epochs": 1, "batch_size": 8, "accumulate": 1, "learning_rate": 1e-3, "label_smoothing": 0.0,
        "mask_characters": 0.0, "patience": 0, "precision": "fp32", "save_every_s": 0.0, "from_scratch": False,
        "multi_label": False, "class_weights": None, "pad_id": PAD, "sep_id": SEP, "mask_id": MASK, "cls_id": CLS,
    }  # fmt: skip
    return Plan(**{**defaults, **values})


@pytest.fixture
def texts(tmp_path: Path) -> Texts:
    lengths = np.array([3 + number * 7 % 30 for number in range(1000)], np.int64)
    ids = np.concatenate([[CLS, *range(10, 8 + length), SEP] for length in lengths]).astype(np.int32)
    targets = np.arange(1000, dtype=np.int64)
    path = tmp_path / "texts.safetensors"
    save_file({"train.ids": ids, "train.lengths": lengths, "train.targets": targets}, path)
    return Texts.read(path, "train")


def test_padding_fills_up_to_the_longest_text(texts: Texts) -> None:
    rows = np.array([999, 0, 1])
    padded = texts.padded(rows, PAD)
    assert padded.shape == (3, texts.lengths[rows].max())
    for row, ids in zip(rows, padded, strict=True):
        length = int(texts.lengths[row])
        assert ids[:length].tolist() == [CLS, *range(10, 8 + length), SEP]
        assert (ids[length:] == PAD).all()


def test_an_epoch_has_every_text_once(texts: Texts) -> None:
    batches = training_batches(texts, plan(), 0)
    assert sorted(np.concatenate(batches).tolist()) == list(range(1000))
    assert sorted(map(len, batches)) == [8] * 125


def test_the_order_depends_on_seed_and_epoch_alone(texts: Texts) -> None:
    def order(seed: int, epoch: int) -> list[int]:
        return [int(row) for batch in training_batches(texts, plan(seed=seed), epoch) for row in batch]

    assert order(1, 0) == order(1, 0)
    assert order(1, 0) != order(1, 1)
    assert order(1, 0) != order(2, 0)


def test_the_texts_of_a_batch_have_similar_lengths(texts: Texts) -> None:
    padded = sum(texts.padded(rows, PAD).size for rows in training_batches(texts, plan(), 0))
    assert padded < 1.1 * texts.lengths.sum()


def test_evaluation_has_every_text_once_in_batches_of_bounded_size(texts: Texts) -> None:
    batches = list(evaluation_batches(texts))
    assert sorted(np.concatenate(batches).tolist()) == list(range(1000))
    assert all(texts.padded(rows, PAD).size <= 8192 for rows in batches)


def test_hiding_replaces_a_share_of_the_characters_and_no_special_token(texts: Texts) -> None:
    ids = texts.padded(np.arange(1000), PAD)
    hidden = hide(ids, plan(mask_characters=0.25), 5, 0)
    assert np.array_equal(hidden[ids < 10], ids[ids < 10])
    characters = hidden[ids >= 10]
    assert 0.23 < (characters == MASK).mean() < 0.27
    assert np.array_equal(hidden, hide(ids, plan(mask_characters=0.25), 5, 0))
    assert not np.array_equal(hidden, hide(ids, plan(mask_characters=0.25), 6, 0))


def test_the_second_text_has_type_1() -> None:
    ids = np.array([[CLS, 10, SEP, 11, SEP, PAD], [CLS, 10, 11, 12, SEP, PAD]])
    assert token_types(ids, plan()).tolist() == [[0, 0, 0, 1, 1, 0], [0, 0, 0, 0, 0, 0]]
