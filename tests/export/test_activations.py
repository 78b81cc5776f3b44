"""Test the activations of both engines against transformers."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from export.bert import Bert
from export.checkpoint import Checkpoint, load_checkpoint
from export.checkpoint.config import Activation
from export.onnx.agreement import exact_integers
from export.onnx.calibration import calibrate
from export.onnx.model import write_onnx
from export.onnx.sample import SampleLines
from export.onnx.session import FloatModel, feeds, open_session
from export.reference import ReferenceModel
from export.whitening import SAMPLE, Whitening, read_sample
from tests.conftest import TINY
from tests.torch_environment import needs_torch

VOCABULARY = 98
TOLERANCE = 5e-5

Array = NDArray[np.float32]


def tiny(activation: Activation) -> Checkpoint:
    checkpoint = load_checkpoint(TINY)
    return replace(checkpoint, config=replace(checkpoint.config, hidden_act=activation))


@pytest.fixture
def ids(golden: list[dict[str, Any]]) -> NDArray[np.int32]:
    return np.array(golden[0]["input_ids"], np.int32)


def by_transformers(folder: Path, name: str, ids: NDArray[np.int32]) -> Array:
    """Return the log-probabilities [S, V] of the tiny checkpoint with another activation."""
    config = json.loads((folder / "config.json").read_text()) | {"hidden_act": name}
    (folder / "config.json").write_text(json.dumps(config))
    with ReferenceModel(folder) as model:
        return model.answer(ids).log_probabilities


def by_tensorflow(checkpoint: Checkpoint, ids: NDArray[np.int32]) -> Array:
    bert = Bert(checkpoint.config, checkpoint.weights)
    hidden, _ = bert.encode(ids[None], tf.ones((1, len(ids)), tf.bool))
    logits: Array = tf.nn.log_softmax(bert.predict(hidden[0])).numpy()
    return logits


def by_onnx(session: Any, ids: NDArray[np.int32]) -> Array:
    positions = np.arange(len(ids), dtype=np.int32)[None]
    asked = feeds(ids[None], positions, answers=len(ids))
    token_ids, scores = session.run(["token_ids", "scores"], asked)
    ordered = np.take_along_axis(scores[0], np.argsort(token_ids[0], axis=-1), axis=-1)
    logarithms: Array = np.log(np.maximum(ordered, 1e-12))
    return logarithms


@needs_torch
@pytest.mark.usefixtures("warm_torch")
@pytest.mark.parametrize(
    ("name", "activation"),
    [
        ("gelu", "gelu"),
        ("gelu_python", "gelu"),
        ("gelu_new", "gelu_new"),
        ("gelu_pytorch_tanh", "gelu_new"),
        ("relu", "relu"),
    ],
)
def test_each_activation_is_transformers_own(
    name: str, activation: Activation, tiny_copy: Path, ids: NDArray[np.int32]
) -> None:
    expected = by_transformers(tiny_copy, name, ids)
    checkpoint = tiny(activation)
    assert np.abs(by_tensorflow(checkpoint, ids) - expected).max() < TOLERANCE
    session = FloatModel(checkpoint, VOCABULARY)
    assert np.abs(by_onnx(session, ids) - expected).max() < TOLERANCE


def test_the_activations_differ_by_more_than_the_tolerance(ids: NDArray[np.int32]) -> None:
    answers = [by_tensorflow(tiny(activation), ids) for activation in get_args(Activation)]
    for number, one in enumerate(answers):
        for other in answers[number + 1 :]:
            assert np.abs(one - other).max() > 50 * TOLERANCE


@pytest.mark.parametrize("activation", get_args(Activation))
def test_integers_follow_the_activation(activation: Activation, tmp_path: Path, ids: NDArray[np.int32]) -> None:
    checkpoint = tiny(activation)
    whitening = Whitening(np.zeros(32, np.float32), np.eye(32, dtype=np.float32), 1)
    calibration = calibrate(checkpoint, SampleLines.read(checkpoint, read_sample(SAMPLE)))
    write_onnx(tmp_path / "light.onnx", checkpoint, calibration, whitening, top_k=VOCABULARY)
    answers = by_onnx(open_session(tmp_path / "light.onnx"), ids)
    own, other = (tiny(name) for name in (activation, "gelu" if activation == "relu" else "relu"))
    off = [float(np.abs(answers - by_tensorflow(one, ids)).mean()) for one in (own, other)]
    assert off[0] < 0.2 < off[1]
    assert exact_integers(tmp_path / "light.onnx")
