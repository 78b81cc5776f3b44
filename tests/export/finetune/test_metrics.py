import numpy as np
import pytest

from export.finetune.metrics import by_label, confusion, outcomes, predict, probabilities, summarise

# Predictions 0, 0, 1, 1, 0 for the labels 0, 0, 0, 1, 2.
LOGITS = np.array([[2, 1, 0], [3, 0, 0], [0, 2, 1], [0, 2, 1], [5, 0, 4]], np.float32)
LABELS = np.array([0, 0, 0, 1, 2])


def test_accuracy_and_f1_of_one_label_per_text() -> None:
    # F1: 2*2/(3+3), 2*1/(2+1), 0.
    assert summarise(LOGITS, LABELS) == pytest.approx(
        {"accuracy": 3 / 5, "macro_f1": (2 / 3 + 2 / 3 + 0) / 3, "micro_f1": 3 / 5}
    )
    assert confusion(LOGITS, LABELS).tolist() == [[2, 1, 0], [0, 1, 0], [1, 0, 0]]
    assert by_label(LOGITS, LABELS, "abc")["a"] == pytest.approx(
        {"precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3, "texts": 3}
    )
    assert by_label(LOGITS, LABELS, "abc")["c"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "texts": 1}


def test_a_label_without_texts_and_predictions_does_not_count() -> None:
    wider = np.concatenate([LOGITS, np.full((5, 1), -9, np.float32)], axis=1)
    assert summarise(wider, LABELS) == summarise(LOGITS, LABELS)


def test_accuracy_and_f1_of_several_labels_per_text() -> None:
    logits = np.array([[1, -1], [1, 0], [-1, -1], [-2, 3]], np.float32)
    targets = np.array([[1, 0], [1, 0], [0, 0], [1, 1]], np.float32)
    assert predict(logits, multi_label=True).tolist() == [[1, 0], [1, 1], [0, 0], [0, 1]]
    assert summarise(logits, targets) == pytest.approx(
        {"accuracy": 2 / 4, "macro_f1": (4 / 5 + 2 / 3) / 2, "micro_f1": 6 / 8}
    )
    assert outcomes(logits, targets).tolist() == [[2, 1, 0, 1], [1, 0, 1, 2]]


def test_probabilities_are_softmax_or_sigmoid() -> None:
    logits = np.array([[0, np.log(3)], [1000, -1000]], np.float32)
    assert probabilities(logits, multi_label=False) == pytest.approx(np.array([[0.25, 0.75], [1, 0]]))
    assert probabilities(logits, multi_label=True) == pytest.approx(np.array([[0.5, 0.75], [1, 0]]))
