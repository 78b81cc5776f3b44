"""The client with an exported version answers like transformers."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from bert_mlm_client import FillMask, Prediction
from bert_mlm_client.transport import InProcess

from export.reference import ReferenceModel
from tests.conftest import TINY
from tests.torch_environment import needs_torch

pytestmark = [needs_torch, pytest.mark.usefixtures("warm_torch")]

TEXT = "春眠不觉晓，处处闻啼[MASK]。"


@pytest.fixture(scope="module")
def client(tiny_version: Path) -> Iterator[FillMask]:
    """A client of the tiny checkpoint, exported and run by TensorFlow."""
    from deploy.embedded.engines.tensorflow import TensorFlowEngine

    with FillMask(InProcess(TensorFlowEngine(tiny_version))) as client:
        yield client


@pytest.fixture(scope="module")
def reference() -> Iterator[ReferenceModel]:
    """Transformers with the same checkpoint, in a subprocess."""
    with ReferenceModel(TINY) as model:
        yield model


def log_probability(reference: ReferenceModel, text: str, position: int, token: int) -> float:
    """Return a token's log-probability at a position, by transformers."""
    return float(reference.answer(reference.tokenize(text)).log_probabilities[position, token])


def test_candidates_are_the_pipelines(client: FillMask, reference: ReferenceModel) -> None:
    answer = client.fill(TEXT, top_k=20)
    expected = reference.fill(TEXT, top_k=20)
    assert [one.token for one in answer] == [one["token"] for one in expected]
    assert [one.token_str for one in answer] == [one["token_str"] for one in expected]
    assert [one.score for one in answer] == pytest.approx([one["score"] for one in expected], rel=1e-3)


def test_targets_of_one_token_are_the_pipelines(client: FillMask, reference: ReferenceModel) -> None:
    targets = ["鸟", "花", "月", "的", "你"]
    answer = client.choose(TEXT, targets)
    expected = reference.fill(TEXT, targets=targets)
    assert [one.token_str for one in answer] == [one["token_str"] for one in expected]
    assert [one.score for one in answer] == pytest.approx([one["score"] for one in expected], rel=1e-3)


@pytest.mark.parametrize("word", ["花", "花落", "花落知", "你好"])
def test_a_words_log_likelihood_is_the_sum_of_its_tokens_from_left_to_right(
    client: FillMask, reference: ReferenceModel, word: str
) -> None:
    before, after = "夜来", "多少。"
    texts = [f"{before}{word[:place]}{'[MASK]' * (len(word) - place)}{after}" for place in range(len(word))]
    tokens = reference.tokenize(word)[1:-1]
    expected = sum(
        log_probability(reference, text, 1 + len(before) + place, tokens[place]) for place, text in enumerate(texts)
    )
    [filling] = client.score(f"{before}[MASK]{after}", [word])
    assert filling.log_likelihood == pytest.approx(expected, abs=1e-3)


def test_joint_words_have_the_likelihood_of_the_chain_rule(client: FillMask, reference: ReferenceModel) -> None:
    text = "夜来[MASK][MASK]声，花[MASK]知多少。"
    masked = reference.tokenize(text)
    places = np.flatnonzero(masked == reference.mask_id)
    for filling in client.fill_words(text, 3):
        probabilities = []
        for order in ((0, 1, 2), (2, 0, 1)):  # the gaps from first to last, and from last to first
            row, log_likelihood = masked.copy(), 0.0
            for mask in order:
                log_likelihood += reference.answer(row).log_probabilities[places[mask], filling.tokens[mask]]
                row[places[mask]] = filling.tokens[mask]
            probabilities.append(math.exp(log_likelihood))
        assert filling.log_likelihood == pytest.approx(math.log(sum(probabilities) / 2), abs=1e-3)


def test_occlusion_is_what_the_pipelines_answer_loses(client: FillMask, reference: ReferenceModel) -> None:
    [explanation] = client.explain(TEXT)
    assert isinstance(explanation.prediction, Prediction)
    position = TEXT.index("[MASK]") + 1
    answer = explanation.prediction.token
    whole = log_probability(reference, TEXT, position, answer)
    for weight in explanation.weights:
        start, end = weight.span
        without = f"{TEXT[:start]}[MASK]{TEXT[end:]}"
        expected = whole - log_probability(reference, without, position, answer)
        assert weight.weight == pytest.approx(expected, abs=2e-3)


def test_attention_is_the_last_layers_mean_over_heads(client: FillMask, reference: ReferenceModel) -> None:
    [explanation] = client.explain(TEXT, method="attention")
    attention = reference.answer(reference.tokenize(TEXT)).attention
    expected = attention[TEXT.index("[MASK]") + 1].tolist()
    weights = {weight.span[0]: weight.weight for weight in explanation.weights}
    places = {place: place if place < TEXT.index("[MASK]") else place - 5 for place in weights}  # [MASK] is one token
    assert weights == pytest.approx({place: expected[1 + token] for place, token in places.items()}, abs=1e-4)
