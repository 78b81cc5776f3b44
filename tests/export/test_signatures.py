"""Test the signatures against golden values, alone and in padded batches."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from tests.conftest import TINY
from tests.support.exported import Export, Precision

Golden = list[dict[str, Any]]
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def signatures(tiny_version: Path) -> Any:
    return tf.saved_model.load(str(tiny_version)).signatures


def ask(signature: Any, **inputs: Any) -> dict[str, NDArray[Any]]:
    arrays = {name: tf.constant(value, tf.int32) for name, value in inputs.items()}
    return {name: tensor.numpy() for name, tensor in signature(**arrays).items()}


def alone(answer: dict[str, Any]) -> dict[str, Any]:
    return {"input_ids": [answer["input_ids"]], "lengths": [len(answer["input_ids"])]}


def padded_by_first_element(rows: list[list[int]]) -> list[list[int]]:
    """Pad as TensorFlow Serving does, with each row's first element."""
    longest = max(map(len, rows))
    return [row + [row[0]] * (longest - len(row)) for row in rows]


def test_fill_mask_gives_transformers_probabilities_in_descending_order(signatures: Any, golden: Golden) -> None:
    for answer in golden:
        got = ask(signatures["fill_mask"], **alone(answer), mask_positions=[answer["mask_positions"]])
        expected = np.array(answer["log_probabilities"])
        assert got["token_ids"].shape == got["scores"].shape == (1, len(expected), 98)
        assert np.array_equal(got["token_ids"][0, :, :5], np.argsort(-expected, axis=-1)[:, :5])
        assert np.allclose(np.log(got["scores"][0]), -np.sort(-expected, axis=-1), atol=TOLERANCE)
        assert got["token_ids"].dtype == np.int32
        assert got["scores"].dtype == np.float32


def test_score_tokens_gives_the_probabilities_of_chosen_tokens(signatures: Any, golden: Golden) -> None:
    for answer in golden:
        candidates = [97, 0, 50]
        got = ask(
            signatures["score_tokens"],
            **alone(answer),
            mask_positions=[answer["mask_positions"]],
            candidate_ids=[candidates],
        )
        expected = np.array(answer["log_probabilities"])[:, candidates]
        assert np.allclose(np.log(got["scores"][0]), expected, atol=TOLERANCE)


def test_features_are_the_first_hidden_state_and_the_mean_of_the_real_tokens(signatures: Any, golden: Golden) -> None:
    for answer in golden:
        got = ask(signatures["features"], **alone(answer))
        assert np.allclose(got["cls"][0], answer["cls"], atol=TOLERANCE)
        assert np.allclose(got["mean"][0], answer["mean"], atol=TOLERANCE)


def test_explain_is_the_last_layers_attention_averaged_over_heads(signatures: Any, golden: Golden) -> None:
    for answer in golden:
        got = ask(signatures["explain"], **alone(answer), mask_positions=[answer["mask_positions"]])
        assert np.allclose(got["attention"][0], answer["attention"], atol=TOLERANCE)


def test_serving_default_gives_logits_for_every_token(signatures: Any, golden: Golden) -> None:
    answer = golden[0]
    ids = answer["input_ids"]
    got = ask(
        signatures["serving_default"],
        input_ids=[ids],
        attention_mask=[[1] * len(ids)],
        token_type_ids=[[0] * len(ids)],
    )
    assert got["logits"].shape == (1, len(ids), 98)
    at_masks = tf.nn.log_softmax(got["logits"][0, answer["mask_positions"]]).numpy()
    assert np.allclose(at_masks, answer["log_probabilities"], atol=TOLERANCE)


def test_a_batch_that_a_server_padded_answers_as_each_sentence_alone(signatures: Any, golden: Golden) -> None:
    rows = [answer["input_ids"] for answer in golden]
    masks = [answer["mask_positions"] for answer in golden]
    batch = {"input_ids": padded_by_first_element(rows), "lengths": [len(row) for row in rows]}
    positions = padded_by_first_element(masks)
    filled = ask(signatures["fill_mask"], **batch, mask_positions=positions)
    features = ask(signatures["features"], **batch)
    explained = ask(signatures["explain"], **batch, mask_positions=positions)
    for row, answer in enumerate(golden):
        expected = np.array(answer["log_probabilities"])
        count = len(expected)
        assert np.array_equal(filled["token_ids"][row, :count, :5], np.argsort(-expected, axis=-1)[:, :5])
        assert np.allclose(np.log(filled["scores"][row, :count]), -np.sort(-expected, axis=-1), atol=TOLERANCE)
        assert np.allclose(features["mean"][row], answer["mean"], atol=TOLERANCE)
        by_itself = ask(signatures["features"], **alone(answer))
        assert np.allclose(features["whitened"][row], by_itself["whitened"][0], atol=TOLERANCE)
        length = len(answer["input_ids"])
        assert np.allclose(explained["attention"][row, :count, :length], answer["attention"], atol=TOLERANCE)
        assert not explained["attention"][row, :count, length:].any()


def test_an_attention_mask_that_a_server_padded_does_change_the_answer(signatures: Any, golden: Golden) -> None:
    # The trap that ``lengths`` is there for; if this fails, serving_default has become safe to batch.
    short, long = golden[1]["input_ids"], golden[0]["input_ids"]
    got = ask(
        signatures["serving_default"],
        input_ids=padded_by_first_element([short, long]),
        attention_mask=padded_by_first_element([[1] * len(short), [1] * len(long)]),
        token_type_ids=[[0] * len(long)] * 2,
    )
    at_mask = tf.nn.log_softmax(got["logits"][0, 1]).numpy()
    assert np.abs(at_mask - golden[1]["log_probabilities"][0]).max() > 0.1


def test_the_tokenizer_signature_hands_out_the_vocabulary_for_each_request(signatures: Any) -> None:
    got = ask(signatures["tokenizer"], request=[0, 0])
    vocabulary = (TINY / "vocab.txt").read_bytes().removesuffix(b"\n")
    assert got["vocab"].tolist() == [vocabulary, vocabulary]
    assert json.loads(got["config"][1]) == {
        "do_lower_case": False,
        "strip_accents": None,
        "tokenize_chinese_chars": True,
        "max_length": 64,
        "vocab_size": 98,
        "vocab_sha256": sha256(vocabulary).hexdigest(),
    }


def test_too_long_input_is_rejected_with_the_limit(signatures: Any) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match="at most 64 tokens"):
        ask(signatures["features"], input_ids=[[2] * 65], lengths=[65])


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_size_weights_are_widened_when_the_model_is_loaded(
    precision: Precision, tiny_version_in: Export, golden: Golden
) -> None:
    loaded = tf.saved_model.load(str(tiny_version_in(precision))).signatures["fill_mask"]
    narrow = tf.as_dtype({"bf16": tf.bfloat16, "fp16": tf.float16}[precision]).as_datatype_enum
    assert not [node for node in loaded.graph.as_graph_def().node if node.attr["SrcT"].type == narrow]
    answer = golden[0]
    got = ask(loaded, **alone(answer), mask_positions=[answer["mask_positions"]])
    expected = -np.sort(-np.array(answer["log_probabilities"]), axis=-1)
    difference = np.abs(np.log(got["scores"][0]) - expected).max()
    assert 0 < difference < 0.2
