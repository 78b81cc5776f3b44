"""Test a classifier in the light engine against the SavedModel."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from deploy.embedded.engines.onnx import OnnxEngine
from deploy.embedded.engines.tensorflow import TensorFlowEngine
from deploy.embedded.errors import Code, ServingError
from export.savedmodel import export_model
from export.source import find_checkpoint
from tests.export.classifier import LABELS, examples, golden, in_id_order, log_probabilities, write_kind

Inputs = dict[str, Any]


@pytest.fixture(scope="module")
def light(tiny_classifier_version: Path) -> OnnxEngine:
    return OnnxEngine(tiny_classifier_version)


@pytest.fixture(scope="module")
def heavy(tiny_classifier_version: Path) -> TensorFlowEngine:
    return TensorFlowEngine(tiny_classifier_version)


def sentences(kind: str = "cls") -> Inputs:
    rows = [answer["input_ids"] for answer in golden(kind)]
    longest = max(map(len, rows))
    ids = np.array([row + [0] * (longest - len(row)) for row in rows], np.int32)
    return {"input_ids": ids, "lengths": np.array([len(row) for row in rows], np.int32)}


def strings(values: list[bytes]) -> Inputs:
    array = np.empty(len(values), object)
    array[:] = values
    return {"inputs": array}


def failure(engine: Any, signature: str, inputs: Inputs) -> tuple[Code, str]:
    with pytest.raises(ServingError) as found:
        engine.run(signature, inputs, sorted(engine.signatures[signature].outputs))
    return found.value.code, found.value.message


def test_signatures_are_the_saved_models_without_the_logits(light: OnnxEngine, heavy: TensorFlowEngine) -> None:
    assert set(light.signatures) == {"classify", "classify_examples", "features", "tokenizer"}
    assert all(light.signatures[name] == heavy.signatures[name] for name in light.signatures)


def test_classify_answers_nearly_as_transformers_does(light: OnnxEngine) -> None:
    got = light.run("classify", sentences(), ["labels", "scores"])
    assert got["labels"].shape == got["scores"].shape == (len(golden("cls")), len(LABELS))
    assert (np.diff(got["scores"], axis=1) <= 0).all()
    scores = in_id_order(got["labels"], got["scores"])
    expected = np.array([log_probabilities(answer["logits"]) for answer in golden("cls")])
    assert np.abs(np.log(scores) - expected)[expected > -12].mean() < 0.2
    assert (scores.argmax(axis=1) == expected.argmax(axis=1)).all()


def test_a_text_alone_answers_as_beside_the_longest(light: OnnxEngine) -> None:
    together = light.run("classify", sentences(), ["labels", "scores"])
    for row, answer in enumerate(golden("cls")):
        ids = np.array([answer["input_ids"]], np.int32)
        alone = light.run(
            "classify", {"input_ids": ids, "lengths": np.array([ids.size], np.int32)}, ["labels", "scores"]
        )
        assert alone["labels"][0].tolist() == together["labels"][row].tolist()
        assert np.allclose(alone["scores"][0], together["scores"][row], rtol=1e-4, atol=1e-6)


def test_examples_answer_as_ids_do(light: OnnxEngine) -> None:
    given = strings(examples([answer["input_ids"] for answer in golden("cls")]))
    by_example = light.run("classify_examples", given, ["classes", "scores"])
    by_ids = light.run("classify", sentences(), ["labels", "scores"])
    assert by_example["classes"].tolist() == by_ids["labels"].tolist()
    assert np.array_equal(by_example["scores"], by_ids["scores"])


@pytest.mark.parametrize("kind", ["mean", "pairs", "multi"])
def test_other_kinds_answer_nearly_as_their_saved_models(kind: str, tmp_path: Path) -> None:
    version = export_model(find_checkpoint(str(write_kind(kind, tmp_path / kind))), tmp_path / "news", 1)
    inputs = sentences("pairs" if kind == "pairs" else "cls")
    engines = OnnxEngine(version), TensorFlowEngine(version)
    light, heavy = (engine.run("classify", inputs, ["labels", "scores"]) for engine in engines)
    own, exact = (np.log(in_id_order(found["labels"], found["scores"])) for found in (light, heavy))
    assert np.abs(own - exact)[exact > -12].mean() < 0.2
    chosen = np.take_along_axis(exact, own.argmax(axis=1)[:, np.newaxis], axis=1)[:, 0]
    assert (exact.max(axis=1) - chosen).max() < 0.3  # so that only labels of nearly the same probability change places


def test_features_are_nearly_the_saved_models(light: OnnxEngine, heavy: TensorFlowEngine) -> None:
    names = ["cls", "mean", "whitened"]
    own, exact = (engine.run("features", sentences(), names) for engine in (light, heavy))
    for name in names:
        assert cosines(own[name], exact[name]).mean() > 0.99


def cosines(one: Any, other: Any) -> Any:
    return (one * other).sum(axis=1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)


def wrong_type() -> bytes:
    feature = tf.train.Feature(float_list=tf.train.FloatList(value=[2.0]))
    return bytes(tf.train.Example(features=tf.train.Features(feature={"input_ids": feature})).SerializeToString())


@pytest.mark.parametrize(
    "given",
    [[b"\xff\xff"], [*examples([[2, 3]]), wrong_type()]],
    ids=["malformed", "floats"],
)
def test_an_unreadable_example_has_tensorflows_text(
    light: OnnxEngine, heavy: TensorFlowEngine, given: list[bytes]
) -> None:
    code, message = failure(light, "classify_examples", strings(given))
    their_code, theirs = failure(heavy, "classify_examples", strings(given))
    assert code == their_code == Code.INVALID_ARGUMENT
    assert message in theirs


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[2, 60, 3], []], "input_ids: each example needs token ids"),
        ([[2, 98, 3]], "input_ids must be from 0 to 97, and 2 to 98 were sent"),
        ([[2, 2**32 + 60, 3]], "input_ids must be from 0 to 97, and 2 to 4294967356 were sent"),
        ([[-1, 3]], "input_ids must be from 0 to 97, and -1 to 3 were sent"),
        ([[2] * 65], "input_ids: this model takes at most 64 tokens"),
    ],
)
def test_unusable_ids_are_rejected_by_both_engines(
    light: OnnxEngine, heavy: TensorFlowEngine, rows: list[list[int]], message: str
) -> None:
    assert failure(light, "classify_examples", strings(examples(rows))) == (Code.INVALID_ARGUMENT, message)
    assert failure(heavy, "classify_examples", strings(examples(rows)))[0] is Code.INVALID_ARGUMENT


def test_a_feature_of_a_context_is_overridden_by_the_examples(light: OnnxEngine, heavy: TensorFlowEngine) -> None:
    # Concatenated messages are merged, as Classify does with a context.
    context, example = examples([[2, 60, 3], [2, 70, 71, 3]])
    for engine in (light, heavy):
        merged, alone = (
            engine.run("classify_examples", strings([given]), ["scores"])["scores"]
            for given in (context + example, example)
        )
        assert np.array_equal(merged, alone)


def test_ids_as_strings_are_rejected(light: OnnxEngine) -> None:
    code, message = failure(light, "classify", {**sentences(), "lengths": np.array(["9"], object)})
    assert (code, message) == (Code.INVALID_ARGUMENT, "lengths must be int32, not object")
    code, message = failure(light, "classify_examples", {"inputs": np.array([1], np.int32)})
    assert (code, message) == (Code.INVALID_ARGUMENT, "inputs must be strings, not int32")
