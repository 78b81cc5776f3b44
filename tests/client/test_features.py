"""Text vectors and similarity through both clients over real sockets."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from bert_mlm_client import AsyncFillMask, FillMask, InputError, ProtocolError, RequestError
from bert_mlm_client.batching import MAX_ROWS
from bert_mlm_client.exchanges.similarity import cosine
from bert_mlm_client.results import Features, Similarity, Vector
from bert_mlm_client.wire.tensors import Array

from tests.client.scripted import Asked, Refusal, ScriptedModel, grpc_server, rest_server

TEXTS = ["今天天气很好。", "我们去散步吧。", "今天天气很[MASK]。", "中国的首都是北京。", "好", "巴黎是法国的首都。"]


@dataclass
class Vectors(ScriptedModel):
    """A model with vectors computed from tokens, or without features."""

    whitened: bool = True
    empty: tuple[int, ...] = ()  # tokens whose sentences have zero vectors

    def predict(self, asked: Asked) -> dict[str, Array]:
        if asked.signature != "features":
            return ScriptedModel.predict(self, asked)
        self.asked.append(asked)
        if self.refusal:
            raise self.refusal
        names = ("cls", "mean", "whitened") if self.whitened else ("cls", "mean")
        for name in asked.output_filter:
            if name not in names:
                msg = f"output tensor alias not found in signature: {name} Outputs expected to be in the set {names}."
                raise Refusal(msg, "INVALID_ARGUMENT")
        rows = zip(asked.inputs["input_ids"].tolist(), asked.inputs["lengths"].tolist(), strict=True)
        outputs = [self.vectors(row[:length]) for row, length in rows]
        stacked: dict[str, Array] = {name: np.stack([row[name] for row in outputs]) for name in names}
        return {name: array for name, array in stacked.items() if name in (asked.output_filter or names)} | self.answers

    def vectors(self, ids: list[int]) -> dict[str, Vector]:
        random = np.random.default_rng(ids)
        factor = np.float32(not set(ids) & set(self.empty))
        return {
            "cls": random.normal(size=4).astype(np.float32),
            "mean": factor * (random.normal(size=4).astype(np.float32) + 3),
            "whitened": factor * random.normal(size=3).astype(np.float32),
        }

    def of(self, text: str) -> dict[str, Vector]:
        tokens = ["[CLS]", *text.replace("[MASK]", "\0"), "[SEP]"]
        return self.vectors([self.tokens.index("[MASK]" if token == "\0" else token) for token in tokens])


@pytest.fixture
def model() -> Vectors:
    return Vectors()


@pytest.fixture(params=["grpc", "rest"])
def client(request: pytest.FixtureRequest, model: Vectors) -> Iterator[FillMask]:
    server = grpc_server if request.param == "grpc" else rest_server
    with server(model) as url, FillMask(url) as client:
        client.tokenizer()
        yield client


def angle(a: Vector, b: Vector) -> float:
    return float(np.dot(a, b) / np.sqrt(np.dot(a, a) * np.dot(b, b)))


def rows_asked(model: Vectors) -> int:
    return sum(len(asked.inputs["lengths"]) for asked in model.requests("features"))


def test_features_are_the_models_vectors_in_the_order_of_the_texts(client: FillMask, model: Vectors) -> None:
    found = client.features(TEXTS)
    assert [one.text for one in found] == TEXTS
    for one in found:
        expected = model.of(one.text)
        assert one.whitened is not None
        assert np.allclose(one.cls, expected["cls"])
        assert np.allclose(one.mean, expected["mean"])
        assert np.allclose(one.whitened, expected["whitened"])
        assert {one.cls.dtype, one.mean.dtype, one.whitened.dtype} == {np.dtype(np.float32)}


def test_vectors_cannot_be_changed(client: FillMask) -> None:
    found = client.features(TEXTS[0])
    for vector in (found.cls, found.mean, found.whitened):
        assert vector is not None
        with pytest.raises(ValueError, match="read-only"):
            vector[0] = 1


def test_one_text_has_one_answer(client: FillMask, model: Vectors) -> None:
    found = client.features(TEXTS[0])
    assert isinstance(found, Features)
    assert np.allclose(found.cls, model.of(TEXTS[0])["cls"])


def test_many_texts_are_sent_in_few_requests(client: FillMask, model: Vectors) -> None:
    texts = ["好" * (1 + number % 7) + "北京"[number % 2] for number in range(3 * MAX_ROWS)]
    found = client.features(texts)
    assert len(model.requests("features")) <= 6
    for one, text in zip(found, texts, strict=True):
        assert np.allclose(one.mean, model.of(text)["mean"])


def test_a_version_without_a_whitening_has_the_other_vectors(client: FillMask, model: Vectors) -> None:
    model.whitened = False
    found = client.features(TEXTS[0])
    assert found.whitened is None
    assert np.allclose(found.mean, model.of(TEXTS[0])["mean"])
    assert len(model.requests("features")) == 2


def test_similarity_is_the_cosine_of_whitened_vectors_beside_the_raw_one(client: FillMask, model: Vectors) -> None:
    pairs = [(TEXTS[0], TEXTS[1]), (TEXTS[3], TEXTS[5]), (TEXTS[1], TEXTS[4])]
    found = client.similarity(pairs)
    for (a, b), one in zip(pairs, found, strict=True):
        left, right = model.of(a), model.of(b)
        assert one.measure == "whitened cosine"
        assert one.score == pytest.approx(angle(left["whitened"], right["whitened"]), abs=1e-5)
        assert one.cosine == pytest.approx(angle(left["mean"], right["mean"]), abs=1e-5)
    assert client.similarity(*pairs[1]) == found[1]


def test_without_whitening_similarity_is_marked_as_raw_cosine(client: FillMask, model: Vectors) -> None:
    model.whitened = False
    found = client.similarity(TEXTS[0], TEXTS[1])
    assert found.measure == "cosine"
    assert found.score == found.cosine == pytest.approx(angle(model.of(TEXTS[0])["mean"], model.of(TEXTS[1])["mean"]))


def test_equal_texts_have_similarity_1_exactly(client: FillMask) -> None:
    assert client.similarity(TEXTS[0], TEXTS[0]) == Similarity(1.0, "whitened cosine", 1.0)
    assert client.similarity("THE", " the ").score == 1.0


def test_a_text_in_several_pairs_is_requested_once(client: FillMask, model: Vectors) -> None:
    found = client.similarity([(TEXTS[0], other) for other in TEXTS])
    assert rows_asked(model) == len(TEXTS)
    assert [one.score == 1 for one in found] == [True, False, False, False, False, False]


def test_a_zero_vector_is_similar_only_to_itself(client: FillMask, model: Vectors) -> None:
    model.empty = (model.tokens.index("巴"),)
    assert client.similarity(TEXTS[0], TEXTS[5]) == Similarity(0.0, "whitened cosine", 0.0)
    assert client.similarity(TEXTS[5], TEXTS[5]).score == 1.0


def test_no_texts_send_no_request(client: FillMask, model: Vectors) -> None:
    assert (client.features([]), client.similarity([])) == ([], [])
    assert not model.requests("features")


def test_an_invalid_text_is_named_before_any_request(client: FillMask, model: Vectors) -> None:
    with pytest.raises(InputError, match="text 4 of 4: the text is empty"):
        client.similarity([(TEXTS[0], TEXTS[1]), (TEXTS[2], " ")])
    with pytest.raises(InputError, match="text 2 of 2: the text is 42 tokens long"):
        client.features([TEXTS[0], "好" * 40])
    assert not model.requests("features")


def test_a_long_text_is_truncated_to_its_start(client: FillMask) -> None:
    long = "好" * 40
    with pytest.raises(InputError, match="keep the start with truncate=True"):
        client.similarity(long, TEXTS[0])
    assert client.similarity(long, TEXTS[0], truncate=True) == client.similarity(long[:30], TEXTS[0])
    assert np.array_equal(client.features(long, truncate=True).mean, client.features(long[:30]).mean)


def test_other_rejections_are_not_retried(client: FillMask, model: Vectors) -> None:
    model.refusal = Refusal("input_ids: this model takes at most 8 tokens", "INVALID_ARGUMENT")
    with pytest.raises(RequestError, match="at most 8 tokens"):
        client.features(TEXTS[0])
    assert len(model.requests("features")) == 1


@pytest.mark.parametrize(
    "mean", [np.zeros((1, 2, 4), np.float32), np.zeros((2, 4), np.float32), np.zeros((1, 4), np.int32)]
)
def test_vectors_of_another_shape_are_an_error(client: FillMask, model: Vectors, mean: Array) -> None:
    model.answers = {"mean": mean}
    with pytest.raises(ProtocolError, match="features answered with mean"):
        client.features(TEXTS[0])


async def test_the_asyncio_client_finds_the_same(model: Vectors) -> None:
    with grpc_server(model) as url:
        async with AsyncFillMask(url) as client:
            similar, one, several = await asyncio.gather(
                client.similarity([(TEXTS[0], TEXTS[1])]), client.similarity(TEXTS[0], TEXTS[1]), client.features(TEXTS)
            )
        with FillMask(url) as blocking:
            assert similar == [one] == blocking.similarity([(TEXTS[0], TEXTS[1])])
            for ours, theirs in zip(several, blocking.features(TEXTS), strict=True):
                assert np.array_equal(ours.mean, theirs.mean)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([1, 0], [0, 2], 0.0),
        ([1, 1], [3, 3], 1.0),
        ([1, 1], [-2, -2], -1.0),
        ([3e38, 3e38], [3e38, 0], np.sqrt(0.5)),
        ([1e-30, 0], [1e-30, 1e-30], np.sqrt(0.5)),
        ([0, 0], [1, 0], 0.0),
        ([0, 0], [0, 0], 1.0),
    ],
)
def test_the_cosine_is_right_for_vectors_of_any_length(a: Any, b: Any, expected: float) -> None:
    found = cosine(np.array(a, np.float32), np.array(b, np.float32))
    assert -1 <= found <= 1
    assert found == pytest.approx(expected)
