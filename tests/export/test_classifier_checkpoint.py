"""Test which checkpoints are read as classifiers, and what is wrong with the others."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from export import CheckpointError
from export.checkpoint import ClassifierConfig, load_checkpoint
from tests.conftest import TINY, TINY_CLASSIFIER

Tensors = dict[str, NDArray[np.generic]]
LABELS = ("诗", "词", "法律", "recipe 菜谱", "新闻")


@pytest.fixture
def classifier(tmp_path: Path) -> Path:
    """A copy of the small classifier that a test may change."""
    return Path(shutil.copytree(TINY_CLASSIFIER, tmp_path / "classifier"))


def set_config(folder: Path, **values: Any) -> None:
    """Change config.json; None removes a key."""
    path = folder / "config.json"
    content = json.loads(path.read_text(encoding="utf-8")) | values
    kept = {key: value for key, value in content.items() if value is not None}
    path.write_text(json.dumps(kept), encoding="utf-8")


def rewrite(folder: Path, change: Callable[[Tensors], object]) -> None:
    tensors: Tensors = dict(load_file(folder / "model.safetensors"))
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


def by_id(*labels: str) -> dict[str, Any]:
    return {
        "id2label": {str(number): label for number, label in enumerate(labels)},
        "label2id": {label: number for number, label in enumerate(labels)},
    }


def test_a_classifier_is_recognised_with_its_labels_by_id(classifier: Path) -> None:
    checkpoint = load_checkpoint(classifier)
    assert checkpoint.task == "text_classification"
    assert checkpoint.classifier == ClassifierConfig(LABELS, "single_label_classification", "cls", text_pairs=False)
    assert {name: tensor.shape for name, tensor in checkpoint.weights.items()} == checkpoint.shapes
    assert checkpoint.shapes["classifier.weight"] == (5, 32)
    assert not [name for name in checkpoint.shapes if name.startswith("cls.")]


def test_a_masked_language_model_is_none() -> None:
    checkpoint = load_checkpoint(TINY)
    assert checkpoint.classifier is None
    assert checkpoint.task == "fill_mask"


def test_a_config_without_architectures_is_judged_by_its_weights(classifier: Path) -> None:
    set_config(classifier, architectures=None)
    assert load_checkpoint(classifier).task == "text_classification"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"problem_type": "multi_label_classification"}, {"problem_type": "multi_label_classification"}),
        ({"problem_type": None}, {"problem_type": "single_label_classification"}),
        ({"classifier_pooling": "mean"}, {"pooling": "mean"}),
        ({"classifier_text_pairs": True}, {"text_pairs": True}),
        ({"label2id": None}, {}),
        ({"id2label": None, "label2id": None, "num_labels": 5}, {"labels": tuple(f"LABEL_{n}" for n in range(5))}),
    ],
)
def test_settings_have_transformers_names_and_defaults(
    classifier: Path, values: dict[str, Any], expected: dict[str, Any]
) -> None:
    set_config(classifier, **values)
    head = load_checkpoint(classifier).classifier
    assert head is not None
    plain = {"labels": LABELS, "problem_type": "single_label_classification", "pooling": "cls", "text_pairs": False}
    assert {name: getattr(head, name) for name in plain} == plain | expected


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"id2label": ["诗", "词"]}, "has a list as id2label; write an object from id to label"),
        ({"id2label": "诗"}, "has '诗' as id2label; write an object"),
        ({"label2id": {**by_id(*LABELS)["label2id"], "诗": 1, "词": 0}}, "id2label and a label2id that disagree"),
        ({"label2id": {"诗": 0}}, "id2label and a label2id that disagree"),
        ({"id2label": None}, "has label2id, but no id2label"),
        ({"id2label": {"1": "诗", "2": "词"}}, "has the ids 1, 2 in id2label, which do not count from 0"),
        ({"id2label": {"0": "诗", "one": "词"}}, "has the ids 0, one in id2label, which do not count from 0"),
        ({"id2label": {}}, "has the ids of no label in id2label"),
        (by_id("诗", "诗", "法律", "菜谱", "新闻"), "has the label '诗' twice"),
        (by_id("诗", "", "法律", "菜谱", "新闻"), "has an empty label for id 1"),
        (by_id("诗", " ", "法律", "菜谱", "新闻"), "has an empty label for id 1"),
        ({"id2label": {"0": 7, "1": "词"}}, "has the label 7 for id 0"),
        ({"id2label": {"0": "\ud800", "1": "词"}, "label2id": None}, "which is not Unicode text"),
        (by_id("诗"), "has one label, '诗': that is a regression"),
        ({"problem_type": "regression"}, "has problem_type = 'regression'; only single_label_classification and"),
        ({"classifier_pooling": "max"}, "has classifier_pooling = 'max'; only cls and mean"),
        ({"classifier_text_pairs": "yes"}, "has classifier_text_pairs = 'yes'; write true or false"),
        ({"classifier_text_pairs": True, "type_vocab_size": 1}, "which needs two token types"),
        ({"id2label": None, "label2id": None, "num_labels": "five"}, "has num_labels = 'five'"),
        ({"architectures": "BertForSequenceClassification"}, "write a list of class names"),
        (by_id("诗", "词"), r"classifier.weight has shape \[5, 32\], config.json expects \[2, 32\]"),
    ],
)
def test_an_unusable_setting_is_one_sentence(classifier: Path, values: dict[str, Any], message: str) -> None:
    set_config(classifier, **values)
    with pytest.raises(CheckpointError, match=message) as found:
        load_checkpoint(classifier)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("lacking", "message"),
    [
        (
            ("classifier.weight", "classifier.bias"),
            "has no classifier.bias, classifier.weight, but config.json says",
        ),
        (("bert.pooler.dense.bias",), "has no bert.pooler.dense.bias, but config.json says BertForSequenceClassificat"),
        (("bert.embeddings.LayerNorm.bias",), "it is not a complete classifier"),
    ],
)
def test_a_classifier_without_a_weight_says_which(classifier: Path, lacking: tuple[str, ...], message: str) -> None:
    rewrite(classifier, lambda tensors: [tensors.pop(name) for name in lacking])
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(classifier)


def test_an_unknown_tensor_is_named_and_a_second_head_left_out(classifier: Path) -> None:
    rewrite(classifier, lambda tensors: tensors.update({"cls.predictions.bias": np.zeros(98, np.float32)}))
    assert "cls.predictions.bias" not in load_checkpoint(classifier).weights
    rewrite(classifier, lambda tensors: tensors.update({"classifier.scale": np.zeros(3, np.float32)}))
    with pytest.raises(CheckpointError, match=r"unknown tensors: classifier\.scale"):
        load_checkpoint(classifier)


def test_another_head_is_still_rejected(classifier: Path) -> None:
    set_config(classifier, architectures=["BertForTokenClassification"])
    with pytest.raises(CheckpointError, match=r"fine-tuned for another task \(classifier.bias, classifier.weight\)"):
        load_checkpoint(classifier)
