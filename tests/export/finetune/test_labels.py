import json
from pathlib import Path

import numpy as np
import pytest

from export.finetune.errors import LabelledTextError
from export.finetune.examples import Example
from export.finetune.labels import balanced_weights, encode_targets, order_labels, read_weights
from tests.export.finetune.conftest import Write

PATH = Path("train.tsv")


def examples(*labels: str) -> list[Example]:
    return [Example(line, "今", None, tuple(each.split("|") if each else ())) for line, each in enumerate(labels, 2)]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (("诗", "话", "诗", "a"), ("a", "诗", "话")),
        (("10", "9", "2", "10"), ("2", "9", "10")),
        (("10", "9", "a"), ("10", "9", "a")),
        (("b|a", "c", ""), ("a", "b", "c")),
    ],
)
def test_labels_are_sorted(labels: tuple[str, ...], expected: tuple[str, ...]) -> None:
    assert order_labels(PATH, examples(*labels)) == expected
    assert order_labels(PATH, examples(*reversed(labels))) == expected


@pytest.mark.parametrize(("labels", "found"), [(("a", "a"), "the label 'a' alone"), (("", ""), "no label")])
def test_one_class_alone_is_an_error(labels: tuple[str, ...], found: str) -> None:
    with pytest.raises(LabelledTextError, match=f"train.tsv has {found}; a classifier needs texts of at least two"):
        order_labels(PATH, examples(*labels))


def test_targets_are_ids_or_rows_of_zeros_and_ones() -> None:
    ids = encode_targets(PATH, examples("b", "a"), ("a", "b"), multi_label=False)
    assert (ids.dtype.name, ids.tolist()) == ("int64", [1, 0])
    ones = encode_targets(PATH, examples("b|a", "", "b"), ("a", "b"), multi_label=True)
    assert (ones.dtype.name, ones.tolist()) == ("float32", [[1, 1], [0, 0], [0, 1]])


def test_a_label_that_only_dev_has_is_named_with_its_line() -> None:
    with pytest.raises(LabelledTextError, match=r"dev.tsv, line 3 has the label 'c', which no training text has"):
        encode_targets(Path("dev.tsv"), examples("a", "c"), ("a", "b"), multi_label=False)


def test_balanced_weights_give_each_class_the_same_share_of_the_loss() -> None:
    assert balanced_weights(np.array([0, 0, 0, 1]), 2) == pytest.approx([4 / 6, 2.0])
    assert balanced_weights(np.array([[1, 1], [0, 1], [0, 1], [0, 1]], "f4"), 2) == pytest.approx([3.0, 0.25])


def test_weights_are_read_in_the_order_of_the_labels(write: Write) -> None:
    assert read_weights(write("w.json", '{"b": 2, "a": 0.5}'), ("a", "b")) == [0.5, 2.0]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"a": 1}, "'b' has no weight"),
        ({"a": 1, "b": 1, "c": 1}, "'c' is not a label of the training texts"),
        ({"a": 1, "b": 0}, "has the weight 0 for 'b'; write a positive number"),
        ({"a": True, "b": 1}, "has the weight True"),
        ([1, 2], "is not a JSON object"),
    ],
)
def test_damaged_weights_are_one_sentence(write: Write, weights: object, message: str) -> None:
    with pytest.raises(LabelledTextError, match=message):
        read_weights(write("w.json", json.dumps(weights)), ("a", "b"))
