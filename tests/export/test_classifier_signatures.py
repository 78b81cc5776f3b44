"""Test a classifier's signatures against golden values, alone and in padded batches."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from export.bert import Bert
from export.checkpoint import Checkpoint, load_checkpoint
from export.signatures import Whiten, build_signatures
from export.whitening import Whitening
from tests.conftest import TINY_CLASSIFIER
from tests.export.classifier import LABELS, examples, golden, in_id_order, log_probabilities, write_kind

TOLERANCE = 1e-4
KINDS = ("cls", "mean", "pairs")


def signatures_of(checkpoint: Checkpoint) -> dict[str, Any]:
    bert = Bert(checkpoint.config, checkpoint.weights)
    width = checkpoint.config.hidden_size
    whiten = Whiten(Whitening(np.zeros(width, np.float32), np.eye(width, dtype=np.float32), 1))
    signatures = build_signatures(bert, whiten, checkpoint)
    signatures["owner"] = (bert, whiten)  # keeps the weights
    return signatures


@pytest.fixture(scope="module")
def by_kind(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, dict[str, Any]]:
    """The signatures of each kind of classifier."""
    folder = tmp_path_factory.mktemp("kinds")
    return {kind: signatures_of(load_checkpoint(write_kind(kind, folder / kind))) for kind in (*KINDS, "multi")}


def ask(signature: Any, **inputs: Any) -> dict[str, NDArray[Any]]:
    kinds = {"inputs": tf.string}
    arrays = {name: tf.constant(value, kinds.get(name, tf.int32)) for name, value in inputs.items()}
    return {name: tensor.numpy() for name, tensor in signature(**arrays).items()}


def batch_of(answers: list[dict[str, Any]]) -> dict[str, Any]:
    """Return texts in one batch, padded as TensorFlow Serving does, with each row's first element."""
    rows = [answer["input_ids"] for answer in answers]
    longest = max(map(len, rows))
    padded = [row + [row[0]] * (longest - len(row)) for row in rows]
    return {"input_ids": padded, "lengths": [len(row) for row in rows]}


@pytest.mark.parametrize("kind", KINDS)
def test_classify_gives_transformers_probabilities_best_first(by_kind: Any, kind: str) -> None:
    for answer in golden(kind):
        got = ask(by_kind[kind]["classify"], input_ids=[answer["input_ids"]], lengths=[len(answer["input_ids"])])
        expected = log_probabilities(answer["logits"])
        assert got["labels"].shape == got["scores"].shape == (1, len(LABELS))
        assert got["scores"].dtype == np.float32
        assert [label.decode() for label in got["labels"][0]] == [LABELS[place] for place in np.argsort(-expected)]
        assert np.allclose(np.log(got["scores"][0]), -np.sort(-expected), atol=TOLERANCE)


def test_the_golden_texts_have_several_best_labels() -> None:
    assert len({int(np.argmax(answer["logits"])) for answer in golden("cls")}) > 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_that_a_server_padded_answers_as_each_text_alone(by_kind: Any, kind: str) -> None:
    answers = golden(kind)
    got = ask(by_kind[kind]["classify"], **batch_of(answers))
    for row, answer in enumerate(answers):
        found = np.log(in_id_order(got["labels"], got["scores"])[row])
        assert np.allclose(found, log_probabilities(answer["logits"]), atol=TOLERANCE)


@pytest.mark.parametrize("kind", KINDS)
def test_examples_of_unequal_lengths_answer_as_ids_do(by_kind: Any, kind: str) -> None:
    answers = golden(kind)
    given = examples([answer["input_ids"] for answer in answers])
    got = ask(by_kind[kind]["classify_examples"], inputs=given)
    assert got.keys() == {"classes", "scores"}
    for row, answer in enumerate(answers):
        found = np.log(in_id_order(got["classes"], got["scores"])[row])
        assert np.allclose(found, log_probabilities(answer["logits"]), atol=TOLERANCE)


@pytest.mark.parametrize("kind", ["cls", "mean"])
def test_serving_default_gives_hugging_faces_logits(by_kind: Any, kind: str) -> None:
    answer, longer = golden(kind)[0], golden(kind)[4]
    ids, length = answer["input_ids"], len(longer["input_ids"])
    padding = [0] * (length - len(ids))
    got = ask(
        by_kind[kind]["serving_default"],
        input_ids=[ids + padding, longer["input_ids"]],
        attention_mask=[[1] * len(ids) + padding, [1] * length],
        token_type_ids=[[0] * length] * 2,
    )
    assert np.allclose(got["logits"], [answer["logits"], longer["logits"]], atol=TOLERANCE)


def test_serving_default_takes_the_token_types_of_a_pair(by_kind: Any) -> None:
    answer = golden("pairs")[0]
    ids = answer["input_ids"]
    first = ids.index(3) + 1
    got = ask(
        by_kind["pairs"]["serving_default"],
        input_ids=[ids],
        attention_mask=[[1] * len(ids)],
        token_type_ids=[[0] * first + [1] * (len(ids) - first)],
    )
    assert np.allclose(got["logits"][0], answer["logits"], atol=TOLERANCE)


def test_a_pair_without_token_types_is_answered_otherwise(by_kind: Any) -> None:
    # What classifier_text_pairs is there for; if this fails, the pairs of the golden values prove nothing.
    answer = golden("pairs")[0]
    got = ask(by_kind["cls"]["classify"], input_ids=[answer["input_ids"]], lengths=[len(answer["input_ids"])])
    found = np.log(in_id_order(got["labels"], got["scores"])[0])
    assert np.abs(found - log_probabilities(answer["logits"])).max() > 0.01


def test_several_labels_have_a_sigmoid_each(by_kind: Any) -> None:
    answers = golden("cls")
    got = ask(by_kind["multi"]["classify"], **batch_of(answers))
    scores = in_id_order(got["labels"], got["scores"])
    expected = 1 / (1 + np.exp(-np.array([answer["logits"] for answer in answers])))
    assert np.allclose(scores, expected, atol=TOLERANCE)
    assert (np.diff(got["scores"], axis=1) <= 0).all()


def test_equal_scores_are_in_the_order_of_the_ids() -> None:
    checkpoint = load_checkpoint(TINY_CLASSIFIER)
    weights = dict(checkpoint.weights)
    weights["classifier.weight"] = np.zeros_like(weights["classifier.weight"])
    weights["classifier.bias"] = np.array([0, 1, 0, 1, 0], np.float32)
    bert = Bert(checkpoint.config, weights)
    width = checkpoint.config.hidden_size
    whiten = Whiten(Whitening(np.zeros(width, np.float32), np.eye(width, dtype=np.float32), 1))
    classify = build_signatures(bert, whiten, checkpoint)["classify"]
    got = ask(classify, input_ids=[[2, 60, 3]], lengths=[3])
    assert [label.decode() for label in got["labels"][0]] == [LABELS[place] for place in (1, 3, 0, 2, 4)]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([[2, 60, 3], []], "each example needs token ids"),
        ([[2, 98, 3]], r"98 is not in \[0, 98\)"),
        ([[2, 2**32 + 60, 3]], r"4294967356 is not in \[0, 98\)"),
        ([[2, -1, 3]], r"-1 is not in \[0, 98\)"),
        ([[2] * 65], "at most 64 tokens"),
    ],
)
def test_unusable_examples_are_rejected(by_kind: Any, given: list[list[int]], message: str) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        ask(by_kind["cls"]["classify_examples"], inputs=examples(given))


def test_an_example_without_the_feature_is_rejected(by_kind: Any) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match="each example needs token ids"):
        ask(by_kind["cls"]["classify_examples"], inputs=[tf.train.Example().SerializeToString()])


def test_the_version_has_the_signatures_of_a_classifier(tiny_classifier_version: Path) -> None:
    signatures = tf.saved_model.load(str(tiny_classifier_version)).signatures
    assert set(signatures) == {"classify", "classify_examples", "features", "tokenizer", "serving_default"}


def test_only_classify_examples_has_the_method_of_the_classify_api(tiny_classifier_version: Path) -> None:
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel.FromString((tiny_classifier_version / "saved_model.pb").read_bytes())
    methods = {name: signature.method_name for name, signature in saved.meta_graphs[0].signature_def.items()}
    assert methods["classify_examples"] == "tensorflow/serving/classify"
    assert methods["classify"] == methods["serving_default"] == "tensorflow/serving/predict"


def test_the_tokenizer_signature_has_the_labels_by_id(tiny_classifier_version: Path) -> None:
    signatures = tf.saved_model.load(str(tiny_classifier_version)).signatures
    config = json.loads(ask(signatures["tokenizer"], request=[0])["config"][0])
    assert config["task"] == "text_classification"
    assert config["labels"] == list(LABELS)
    assert config["problem_type"] == "single_label_classification"
    assert config["text_pairs"] is False
    assert config["max_length"] == 64


def test_features_are_the_encoders(tiny_classifier_version: Path, tiny_version: Path) -> None:
    # Both checkpoints have the same encoder.
    own, others = (tf.saved_model.load(str(version)).signatures for version in (tiny_classifier_version, tiny_version))
    batch = batch_of(golden("cls"))
    found, expected = ask(own["features"], **batch), ask(others["features"], **batch)
    assert np.allclose(found["cls"], expected["cls"], atol=TOLERANCE)
    assert np.allclose(found["mean"], expected["mean"], atol=TOLERANCE)
    assert np.allclose(found["whitened"], expected["whitened"], atol=TOLERANCE)
