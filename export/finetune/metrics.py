"""Compute a classifier's metrics from its logits."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


def probabilities(logits: Floats, *, multi_label: bool) -> NDArray[np.float64]:
    """Return the probabilities of each text's labels.

    They are the softmax of each text, or the sigmoid of each label if ``multi_label``.
    """
    values = logits.astype(np.float64)
    if multi_label:
        return np.exp(-np.logaddexp(0, -values))
    values = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(values / values.sum(axis=1, keepdims=True))


def predict(logits: Floats, *, multi_label: bool) -> NDArray[np.int64]:
    """Return the predictions as zeros and ones [N, L].

    With one label per text it is the most probable, of equal ones the first. With several, each of at least 0.5.
    """
    if multi_label:
        return (logits >= 0).astype(np.int64)
    return np.asarray(np.eye(logits.shape[1], dtype=np.int64)[logits.argmax(axis=1)])


def one_hot(targets: NDArray[Any], count: int) -> NDArray[np.int64]:
    """Return targets as zeros and ones [N, L]."""
    return targets.astype(np.int64) if targets.ndim == 2 else np.eye(count, dtype=np.int64)[targets]


def summarise(logits: Floats, targets: NDArray[Any]) -> dict[str, float]:
    """Return the accuracy and the F1 scores.

    The accuracy is the share of texts with exactly the right labels. Macro-F1 is the mean over the labels that have
    texts or predictions; a label without a right prediction counts as 0.
    """
    predicted = predict(logits, multi_label=targets.ndim == 2)
    expected = one_hot(targets, logits.shape[1])
    hits, made, had = _counts(predicted, expected)
    occurring = made + had > 0
    each = 2 * hits[occurring] / (made + had)[occurring]
    total = made.sum() + had.sum()
    return {
        "accuracy": float((predicted == expected).all(axis=1).mean()),
        "macro_f1": float(each.mean()) if each.size else 0.0,
        "micro_f1": float(2 * hits.sum() / total) if total else 0.0,
    }


def by_label(logits: Floats, targets: NDArray[Any], labels: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return precision, recall, F1 and text count of each label."""
    predicted = predict(logits, multi_label=targets.ndim == 2)
    found = {}
    for label, hits, made, had in zip(labels, *_counts(predicted, one_hot(targets, len(labels))), strict=True):
        found[label] = {
            "precision": float(hits / made) if made else 0.0,
            "recall": float(hits / had) if had else 0.0,
            "f1": float(2 * hits / (made + had)) if made + had else 0.0,
            "texts": int(had),
        }
    return found


def confusion(logits: Floats, targets: NDArray[Any]) -> NDArray[np.int64]:
    """Return the confusion matrix [L, L], labels by predictions."""
    count = logits.shape[1]
    flat = targets * count + logits.argmax(axis=1)
    return np.bincount(flat, minlength=count * count).reshape(count, count)


def outcomes(logits: Floats, targets: NDArray[Any]) -> NDArray[np.int64]:
    """Return each label's outcomes [L, 4] of a multi-label task.

    The columns are true positives, false negatives, false positives and true negatives.
    """
    hits, made, had = _counts(predict(logits, multi_label=True), one_hot(targets, logits.shape[1]))
    return np.stack([hits, had - hits, made - hits, len(targets) - made - had + hits], axis=1)


def _counts(predicted: NDArray[np.int64], expected: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
    """Return right predictions, predictions and texts of each label."""
    return (predicted & expected).sum(axis=0), predicted.sum(axis=0), expected.sum(axis=0)
