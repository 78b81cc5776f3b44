"""Compare the API's answers with those of the client on the demonstration checkpoint."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from bert_mlm_client import AsyncFillMask, FillMask
from bert_mlm_client.transport import AsyncInProcess

from deploy.gateway.app import create_app
from deploy.gateway.settings import Settings
from loadtest.soak import Server
from tests.client.exchanges.table_model import LookingModel
from tests.deploy.gateway.conftest import SENTENCE, Gateway, Start, run_in_thread

TWO = "今天天气真[MASK][MASK]。"


@pytest.fixture(scope="module")
def direct(serving_url: str) -> Iterator[FillMask]:
    with FillMask(serving_url) as client:
        yield client


def as_dicts(predictions: Any) -> list[dict[str, Any]]:
    names = ("score", "token", "token_str", "sequence")
    return [{name: getattr(one, name) for name in names} for one in predictions]


def test_predict_answers_with_token_and_score_best_first(gateway: Gateway, direct: FillMask) -> None:
    expected = direct.fill(SENTENCE, 3)
    answer = gateway.answer("/predict", {"text": SENTENCE, "top_k": 3})
    assert list(answer) == ["results"]
    assert [one["token"] for one in answer["results"]] == [one.token_str for one in expected]
    assert [one["score"] for one in answer["results"]] == pytest.approx([one.score for one in expected], abs=1e-5)
    assert len(gateway.answer("/predict", {"text": SENTENCE})["results"]) == 5


def test_predict_answers_several_masks_with_a_list_for_each(gateway: Gateway) -> None:
    results = gateway.answer("/predict", {"text": TWO, "top_k": 2})["results"]
    assert [len(mask) for mask in results] == [2, 2]
    assert set(results[0][0]) == {"token", "score"}


def test_fill_mask_has_hugging_faces_fields(gateway: Gateway, direct: FillMask) -> None:
    answer = gateway.answer("/v1/fill-mask", {"inputs": SENTENCE, "parameters": {"top_k": 3}})
    expected = as_dicts(direct.fill(SENTENCE, 3))
    assert [{**one, "score": 0} for one in answer] == [{**one, "score": 0} for one in expected]
    assert [one["score"] for one in answer] == pytest.approx([one["score"] for one in expected], abs=1e-5)


def test_several_sentences_are_answered_in_their_order_each_in_its_own_shape(gateway: Gateway) -> None:
    answer = gateway.answer("/v1/fill-mask", {"inputs": [SENTENCE, TWO], "parameters": {"top_k": 2}})
    one, two = answer
    assert all(candidate["sequence"] == f"中国的首{candidate['token_str']}是北京。" for candidate in one)
    assert len(one) == 2
    assert [len(mask) for mask in two] == [2, 2]
    assert gateway.answer("/v1/fill-mask", {"inputs": [SENTENCE]})[0][0]["token_str"]


def test_targets_and_joint_give_whole_words(gateway: Gateway, direct: FillMask) -> None:
    targets = ["北京", "上海"]
    text = "中国的首都是[MASK]。"
    answer = gateway.answer("/v1/fill-mask", {"inputs": text, "parameters": {"targets": targets}})
    expected = direct.choose(text, targets)
    assert [one["token_str"] for one in answer] == [one.token_str for one in expected]
    assert answer[0]["token"] is None
    assert answer[0]["tokens"] == list(expected[0].tokens)
    [single, *_] = gateway.answer("/v1/fill-mask", {"inputs": SENTENCE, "parameters": {"targets": ["都", "府"]}})
    assert single["tokens"] == [single["token"]]
    [joint, *_] = gateway.answer("/v1/fill-mask", {"inputs": TWO, "parameters": {"joint": True, "top_k": 3}})
    assert joint["words"] == [direct.fill_words(TWO, 3)[0].words[0]]


@pytest.mark.parametrize("also", ["joint", "skip_punctuation"])
def test_targets_go_with_nothing_else_that_chooses_words(gateway: Gateway, also: str) -> None:
    response = gateway.post("/v1/fill-mask", {"inputs": SENTENCE, "parameters": {"targets": ["都"], also: True}})
    assert response.status_code == 400
    error = "targets are the words to choose from; leave out joint and skip_punctuation"
    assert response.json() == {"error": error, "error_type": "InputError"}


def test_score_keeps_the_order_of_the_words_and_takes_several_sentences(gateway: Gateway, direct: FillMask) -> None:
    words = ["上海", "北京", "巴"]
    texts = ["中国的首都是[MASK]。", "他住在[MASK]。"]
    answer = gateway.answer("/v1/score", {"inputs": texts, "parameters": {"candidates": words}})
    assert [[one["token_str"] for one in fillings] for fillings in answer] == [words, words]
    expected = [filling.score for filling in direct.score(texts[1], words)]
    assert [one["score"] for one in answer[1]] == pytest.approx(expected, rel=1e-3)


def test_similarity_answers_hugging_faces_form_with_numbers_and_pairs_with_more(
    gateway: Gateway, direct: FillMask
) -> None:
    a, b, c = "今天天气真好。", "今天天气不错。", "他去图书馆了。"
    inputs: dict[str, Any] = {"source_sentence": a, "sentences": [b, c, a]}
    numbers = gateway.answer("/v1/similarity", {"inputs": inputs})
    assert numbers == pytest.approx([one.score for one in direct.similarity([(a, b), (a, c), (a, a)])], abs=1e-4)
    assert numbers[2] == pytest.approx(1, abs=1e-4)
    [pair] = gateway.answer("/v1/similarity", {"inputs": {"pairs": [[a, b]]}})
    assert pair["score"] == pytest.approx(numbers[0], abs=1e-4)
    assert pair["measure"] == direct.similarity(a, b).measure


def test_features_are_the_clients_vectors(gateway: Gateway, direct: FillMask) -> None:
    text = "今天天气真好。"
    answer = gateway.answer("/v1/features", {"inputs": [text]})
    expected = direct.features(text)
    assert answer[0]["cls"] == pytest.approx(expected.cls.tolist(), abs=1e-4)
    assert answer[0]["mean"] == pytest.approx(expected.mean.tolist(), abs=1e-4)
    assert (answer[0]["whitened"] is None) == (expected.whitened is None)


@pytest.mark.parametrize("method", ["occlusion", "attention"])
def test_explain_weighs_the_tokens_of_the_text(gateway: Gateway, method: str) -> None:
    answer = gateway.answer("/v1/explain", {"inputs": SENTENCE, "parameters": {"method": method}})
    assert (answer["text"], answer["method"]) == (SENTENCE, method)
    assert answer["prediction"]["sequence"].startswith("中国的首")
    for weight in answer["weights"]:
        start, end = weight["span"]
        assert SENTENCE[start:end] == weight["token_str"].removeprefix("##")
    several = gateway.answer("/v1/explain", {"inputs": [SENTENCE, TWO], "parameters": {"method": method}})
    assert len(several[1]) == 2


@pytest.mark.parametrize(
    ("parameters", "sequences"),
    [
        ({"target": ["帮", "好", "汉"]}, ["帮，[MASK][MASK]。", "[MASK]，好[MASK]。", "[MASK]，[MASK]汉。"]),
        ({"target": ["帮", "好汉"]}, ["帮，[MASK][MASK]。", "[MASK]，好汉。"]),
        ({"target": ["帮", "好汉"], "joint": True}, ["帮，好汉。"] * 2),
    ],
)
def test_explain_explains_the_answer_that_is_named(
    gateway: Gateway, direct: FillMask, parameters: Any, sequences: list[str]
) -> None:
    text = "[MASK]，[MASK][MASK]。"
    [found] = gateway.answer("/v1/explain", {"inputs": [text], "parameters": parameters})
    expected = direct.explain(text, **parameters)
    assert [one["prediction"]["sequence"] for one in found] == sequences
    for one, explanation in zip(found, expected, strict=True):
        assert [weight["token_str"] for weight in one["weights"]] == [each.token_str for each in explanation.weights]
        weights = [weight["weight"] for weight in one["weights"]]
        assert weights == pytest.approx([each.weight for each in explanation.weights], abs=1e-3)
        assert one["note"] is None


def test_a_target_that_cannot_be_explained_is_400_and_says_what_to_do(gateway: Gateway) -> None:
    for target, words in (("首都", "has 2 tokens for 1 [MASK]; give it 2 [MASK]s"), ("[UNK]", "is a special token")):
        response = gateway.post("/v1/explain", {"inputs": SENTENCE, "parameters": {"target": target}})
        assert response.status_code == 400
        assert words in response.json()["error"]
    response = gateway.post("/v1/explain", {"inputs": SENTENCE, "parameters": {"target": 5}})
    assert (response.status_code, response.json()["error"]) == (
        422,
        "parameters.target: input should be a valid string",
    )


def test_attention_that_says_nothing_says_so(tmp_path: Path) -> None:
    client = AsyncFillMask(AsyncInProcess(LookingModel()))
    document = {"inputs": "一二[MASK]", "parameters": {"method": "attention"}}
    with run_in_thread(create_app(Settings.model_construct(log_folder=tmp_path), client)) as url:
        answer = httpx2.post(f"{url}/v1/explain", json=document, trust_env=False).json()
    assert answer["note"].startswith("100.0% of the last layer's attention rests on [CLS], [SEP] and [MASK]")
    assert answer["note"].endswith("explain by occlusion")


def test_hugging_faces_own_client_reads_the_answers(gateway: Gateway) -> None:
    from huggingface_hub import InferenceClient

    client = InferenceClient(provider="hf-inference", api_key="none")
    found = client.fill_mask(SENTENCE, model=f"{gateway.url}/v1/fill-mask", top_k=3)
    ours = gateway.answer("/v1/fill-mask", {"inputs": SENTENCE, "parameters": {"top_k": 3}})
    assert [(one.token, one.token_str, one.sequence) for one in found] == [
        (one["token"], one["token_str"], one["sequence"]) for one in ours
    ]
    targeted = client.fill_mask(SENTENCE, model=f"{gateway.url}/v1/fill-mask", targets=["都", "府"])
    assert {one.token_str for one in targeted} == {"都", "府"}
    similar = client.sentence_similarity(
        "今天天气真好。", other_sentences=["今天天气真好。"], model=f"{gateway.url}/v1/similarity"
    )
    assert similar == pytest.approx([1], abs=1e-4)


def test_a_model_server_is_asked_over_rest_as_well_and_several_share_the_work(
    start: Start, demo_server: Server, gateway: Gateway
) -> None:
    other = start([demo_server.rest, demo_server.grpc])
    other.wait_until_ready()
    expected = gateway.answer("/predict", {"text": SENTENCE})["results"]
    for _ in range(2):  # one for each server
        results = other.answer("/predict", {"text": SENTENCE})["results"]
        assert [one["token"] for one in results] == [one["token"] for one in expected]
        assert [one["score"] for one in results] == pytest.approx([one["score"] for one in expected], abs=1e-5)


def test_an_answer_says_where_its_time_went_and_whose_it_is(gateway: Gateway) -> None:
    response = gateway.post("/predict", {"text": SENTENCE}, headers={"X-Request-Id": "mine-1"})
    assert response.headers["x-request-id"] == "mine-1"
    stages = dict(part.split(";dur=") for part in response.headers["server-timing"].split(", "))
    assert list(stages) == ["queue", "tokenize", "inference", "total"]
    assert 0 < float(stages["inference"]) <= float(stages["total"])
    strange = gateway.post("/predict", {"text": SENTENCE}, headers={"X-Request-Id": "a b\tc"})
    assert len(strange.headers["x-request-id"]) == 32
