"""Test that unnamed embedding rows are never answers."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from bert_mlm_client.vocabulary import AddedToken
from numpy.typing import NDArray
from safetensors.numpy import save_file

from export.bert import Bert
from export.checkpoint import Checkpoint, load_checkpoint
from export.onnx import write_onnx
from export.onnx.calibration import calibrate
from export.onnx.sample import SampleLines
from export.onnx.session import FloatModel, feeds, open_session
from export.reference import ReferenceModel
from export.signatures import Whiten, answer_count, build_signatures, client_config
from export.whitening import SAMPLE, Whitening, read_sample
from tests.conftest import TINY
from tests.torch_environment import needs_torch

NAMED, PADDED = 98, 112
ADDED = AddedToken(NAMED, "[NUM]", normalized=False, special=True)
WHITENING = Whitening(np.zeros(32, np.float32), np.eye(32, dtype=np.float32), 1)
WORDS, BIAS = "bert.embeddings.word_embeddings.weight", "cls.predictions.bias"

Answers = tuple[NDArray[np.int32], NDArray[np.float32]]


def padded(*, hole: bool = False) -> Checkpoint:
    """Return the tiny checkpoint with 14 more rows, of which all but [NUM] have no name and would win every time."""
    checkpoint = load_checkpoint(TINY)
    weights = dict(checkpoint.weights)
    more = np.random.default_rng(0).normal(0, 0.1, (PADDED - NAMED, 32)).astype(np.float32)
    weights[WORDS] = np.concatenate([weights[WORDS], more])
    weights[BIAS] = np.concatenate([weights[BIAS], np.full(PADDED - NAMED, 15, np.float32)])
    vocabulary = list(checkpoint.vocabulary)
    if hole:
        vocabulary[50] = ""
        weights[BIAS][50] = 15
    return Checkpoint(
        replace(checkpoint.config, vocab_size=PADDED),
        replace(checkpoint.tokenizer, added_tokens=(ADDED,)),
        tuple(vocabulary),
        weights,
    )


@pytest.fixture
def ids(golden: list[dict[str, Any]]) -> NDArray[np.int32]:
    return np.array(golden[0]["input_ids"], np.int32)


def by_tensorflow(checkpoint: Checkpoint, ids: NDArray[np.int32]) -> Answers:
    bert = Bert(checkpoint.config, checkpoint.weights)
    fill_mask = build_signatures(bert, Whiten(WHITENING), checkpoint)["fill_mask"]
    found = fill_mask(
        input_ids=tf.constant(ids[None]),
        lengths=tf.constant([len(ids)]),
        mask_positions=tf.range(len(ids))[None],
    )
    return found["token_ids"][0].numpy(), found["scores"][0].numpy()


def by_onnx(session: Any, ids: NDArray[np.int32]) -> Answers:
    asked = feeds(ids[None], np.arange(len(ids), dtype=np.int32)[None], answers=len(ids))
    token_ids, scores = session.run(["token_ids", "scores"], asked)
    return token_ids[0], scores[0]


def write(checkpoint: Checkpoint, folder: Path) -> None:
    """Write the padded weights into a copy of the tiny checkpoint."""
    save_file(dict(checkpoint.weights), folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text()) | {"vocab_size": PADDED}
    (folder / "config.json").write_text(json.dumps(config))


@needs_torch
@pytest.mark.usefixtures("warm_torch")
@pytest.mark.parametrize("hole", [False, True])
def test_the_named_rows_have_transformers_probabilities(hole: bool, tiny_copy: Path, ids: NDArray[np.int32]) -> None:
    checkpoint = padded(hole=hole)
    write(checkpoint, tiny_copy)
    with ReferenceModel(tiny_copy) as model:
        expected = model.answer(ids).log_probabilities
    named = np.flatnonzero([token != "" for token in checkpoint.tokens])
    assert not np.isin(expected.argmax(axis=-1), named[named != ADDED.id]).any()
    session = FloatModel(checkpoint, answer_count(checkpoint))
    for token_ids, scores in (by_tensorflow(checkpoint, ids), by_onnx(session, ids)):
        assert token_ids.shape[-1] == len(named) == NAMED + 1 - hole
        assert all(set(row) == set(named) for row in token_ids.tolist())
        assert np.log(scores) == pytest.approx(np.take_along_axis(expected, token_ids, axis=-1), abs=1e-4)
        assert (np.diff(scores, axis=-1) <= 0).all()


def test_light_file_never_answers_unnamed_rows(tmp_path: Path, ids: NDArray[np.int32]) -> None:
    checkpoint = padded(hole=True)
    calibration = calibrate(checkpoint, SampleLines.read(checkpoint, read_sample(SAMPLE)))
    count = answer_count(checkpoint)
    write_onnx(tmp_path / "light.onnx", checkpoint, calibration, WHITENING, top_k=count)
    token_ids, scores = by_onnx(open_session(tmp_path / "light.onnx"), ids)
    exact_ids, exact = by_tensorflow(checkpoint, ids)
    assert all(
        set(row) == set(exact_row) for row, exact_row in zip(token_ids.tolist(), exact_ids.tolist(), strict=True)
    )
    # Nearly all probability is that of the rows without a name.
    assert scores.sum(axis=-1) == pytest.approx(exact.sum(axis=-1), abs=0.05)
    assert (scores.sum(axis=-1) < 0.3).all()


def test_mask_for_unnamed_rows_is_only_added_if_needed() -> None:
    for checkpoint, pays in ((load_checkpoint(TINY), False), (padded(), True)):
        rows = checkpoint.config.vocab_size
        signatures = build_signatures(Bert(checkpoint.config, checkpoint.weights), Whiten(WHITENING), checkpoint)
        operations = signatures["fill_mask"].graph.get_operations()
        selects = [one for one in operations if one.type == "SelectV2" and one.outputs[0].shape[-1] == rows]
        assert len(selects) == pays


def test_the_client_gets_the_lines_of_the_vocabulary_and_the_added_tokens() -> None:
    config = client_config(padded())
    assert config["vocab_size"] == NAMED
    assert config["vocab_sha256"] == client_config(load_checkpoint(TINY))["vocab_sha256"]
    assert config["added_tokens"] == (
        {
            "id": NAMED,
            "content": "[NUM]",
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        },
    )
    assert "added_tokens" not in client_config(load_checkpoint(TINY))
