"""Tests of the client's cost measurement and of its instant server."""

import pytest
from bert_mlm_client import FillMask, Prediction, Tokenizer
from bert_mlm_client.vocabulary import TokenizerConfig, Vocabulary

from loadtest import client_overhead
from loadtest.client_overhead import VOCABULARY, cost, instant_server, record, stages

TEXTS = ["今天天气真[MASK]。"] * 3


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer(Vocabulary.read(VOCABULARY), TokenizerConfig())


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_overhead, "_ROUND_S", 0.001)
    monkeypatch.setattr(client_overhead, "_ROUNDS", 1)


@pytest.mark.parametrize(("protocol", "scheme"), [("grpc", "grpc"), ("rest", "http")])
def test_the_server_replays_answers_and_the_stages_add_up(tokenizer: Tokenizer, protocol: str, scheme: str) -> None:
    answers = record(tokenizer, len(TEXTS))
    with instant_server(answers) as ports:
        url = f"{scheme}://127.0.0.1:{ports[protocol]}"
        with FillMask(url) as client:
            for row, found in enumerate(client.fill(TEXTS, top_k=3)):
                ids = answers["fill_mask"]["token_ids"][row, 0, :3].tolist()
                assert [one.token for one in found if isinstance(one, Prediction)] == ids
        costs = stages(tokenizer, TEXTS, url, answers)
    total = costs.pop("all")
    assert {"tokenise", "build the request", "encode", "send and receive", "decode", "make results"} < set(costs)
    assert sum(one.cpu_ms for one in costs.values()) == pytest.approx(total.cpu_ms)


def test_cost_is_per_sentence() -> None:
    one, ten = (cost(lambda: sum(range(20_000)), sentences) for sentences in (1, 10))
    assert one.cpu_ms / ten.cpu_ms == pytest.approx(10, rel=0.9)
    assert 0 < one.cpu_ms < 50
