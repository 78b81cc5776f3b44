"""The small classifier's kinds, golden values and examples."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tests.support.exported import TINY_CLASSIFIER

LABELS = ("诗", "词", "法律", "recipe 菜谱", "新闻")

_CHANGES: dict[str, dict[str, Any]] = {
    "cls": {},
    "mean": {"classifier_pooling": "mean"},
    "pairs": {"classifier_text_pairs": True},
    "multi": {"problem_type": "multi_label_classification"},
}


def write_kind(kind: str, folder: Path) -> Path:
    """Write the small classifier with another kind of head, and the same weights."""
    shutil.copytree(TINY_CLASSIFIER, folder)
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | _CHANGES[kind]), encoding="utf-8")
    return folder


def golden(kind: str) -> list[dict[str, Any]]:
    """Return the golden answers of transformers (see make_golden_classifier.py)."""
    answers = json.loads((TINY_CLASSIFIER / "golden.json").read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = answers[kind]
    return found


def log_probabilities(logits: Sequence[float]) -> NDArray[np.float64]:
    """Return the logarithms of a softmax."""
    wide = np.array(logits, np.float64)
    found: NDArray[np.float64] = wide - np.logaddexp.reduce(wide)
    return found


def in_id_order(labels: NDArray[Any], scores: NDArray[Any]) -> NDArray[np.float32]:
    """Return scores [B, L] in the order of the label ids."""
    ids = np.array([[LABELS.index(label.decode()) for label in row] for row in labels])
    found: NDArray[np.float32] = np.take_along_axis(scores, np.argsort(ids, axis=1), axis=1)
    return found


def examples(rows: Sequence[Sequence[int]]) -> list[bytes]:
    """Return serialized tf.Examples with token ids."""
    found = []
    for row in rows:
        feature = tf.train.Feature(int64_list=tf.train.Int64List(value=row))
        example = tf.train.Example(features=tf.train.Features(feature={"input_ids": feature}))
        found.append(example.SerializeToString())
    return found
