"""Provoke every error over sockets, and check status and message."""

import json
from pathlib import Path
from typing import Any, cast

import httpx2
import numpy as np
import pytest
from bert_mlm_client import AsyncFillMask, Explanation, Features, ModelStatus, Prediction, Similarity, TokenWeight

from deploy.gateway.app import create_app
from deploy.gateway.settings import Settings
from tests.client.scripted import Refusal
from tests.deploy.gateway.conftest import SENTENCE, Gateway, Model, Start, run_in_thread

JSON = {"Content-Type": "application/json"}


def problem(response: Any, status: int) -> tuple[str, str]:
    """Return kind and text of an error of this status."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-request-id"]
    assert list(response.json()) == ["error", "error_type"]
    return response.json()["error_type"], response.json()["error"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the text is empty"),
        ("中国的首都是北京。", "the text has no [MASK]"),
        ("中国的首[MASK", "[MASK"),
        ("中国的首[mask]", "in capitals"),
        ("中国的首［ＭＡＳＫ］", "the text has '［ＭＡＳＫ］'; write a mask as [MASK]"),
        ("中国的首[MASK]，[ＭＡＳＫ]", "the text has '[ＭＡＳＫ]'; write a mask as [MASK]"),
        ("中国的首＜ｍａｓｋ＞", "the text has '＜ｍａｓｋ＞'; write a mask as [MASK]"),
        ("中国的首[MASK]\x01", "U+0001"),
        (SENTENCE * 60, "tokens long"),
    ],
)
def test_a_text_that_cannot_be_asked_is_400_with_the_clients_hint(gateway: Gateway, text: str, words: str) -> None:
    kind, error = problem(gateway.post("/predict", {"text": text}), 400)
    assert kind == "InputError"
    assert words in error
    kind, error = problem(gateway.post("/v1/fill-mask", {"inputs": [SENTENCE, text]}), 400)
    assert error.startswith("text 2 of 2: ")


def test_one_bad_text_of_several_is_named_by_its_number_whatever_is_asked(gateway: Gateway) -> None:
    inputs = [SENTENCE, "没有空格"]
    for path, parameters in (("score", {"candidates": ["都"]}), ("explain", {"method": "attention"})):
        response = gateway.post(f"/v1/{path}", {"inputs": inputs, "parameters": parameters})
        assert problem(response, 400)[1].startswith("text 2 of 2: ")


@pytest.mark.parametrize("body", [b"{", b"\xff", b'{"text": NaN', b"[" * 100_000])
def test_what_is_no_json_is_400(gateway: Gateway, body: bytes) -> None:
    kind, error = problem(gateway.ask("POST", "/predict", content=body, headers=JSON), 400)
    assert kind == "MalformedBodyError"
    assert "JSON" in error


@pytest.mark.parametrize(
    ("path", "document", "words"),
    [
        ("/predict", {}, "text: field required"),
        ("/predict", {"text": 5}, "text: input should be a valid string"),
        ("/predict", {"text": SENTENCE, "top_k": 0}, "top_k: input should be greater than or equal to 1"),
        ("/predict", {"text": SENTENCE, "top_k": "5"}, "top_k: input should be a valid integer"),
        ("/predict", {"text": SENTENCE, "top_k": True}, "top_k: input should be a valid integer"),
        ("/predict", {"text": SENTENCE, "topk": 5}, "topk: unknown field; did you mean top_k?"),
        ("/predict", [], "the body: "),
        ("/predict", {"inputs": SENTENCE}, "inputs: unknown field; /docs lists them"),
        ("/v1/score", {"inputs": SENTENCE, "parameters": {"candidate": ["都"]}}, "did you mean candidates?"),
        (
            "/v1/score",
            {"inputs": SENTENCE, "parameters": {"inputs": 1}},
            "parameters.inputs: unknown field; /",
        ),
        (
            "/v1/similarity",
            {"inputs": {"pairs": [["一", "二"]], "sentences": []}},
            "inputs.sentences: unknown field; /",
        ),
        (
            "/v1/similarity",
            {"inputs": {"pairs": [["一", "二"]], "pair": 1}},
            "inputs.pair: unknown field; did you mean pairs?",
        ),
        ("/v1/fill-mask", {"inputs": []}, "inputs: "),
        ("/v1/fill-mask", {"inputs": [SENTENCE, 5]}, "inputs.1: input should be a valid string"),
        ("/v1/fill-mask", {"inputs": SENTENCE, "parameters": {"topK": 5}}, "parameters.topK: unknown field"),
        ("/v1/score", {"inputs": SENTENCE}, "parameters: field required"),
        ("/v1/similarity", {"inputs": {"pairs": [["一"]]}}, "inputs.pairs.0: list should have at least 2 items"),
        ("/v1/explain", {"inputs": SENTENCE, "parameters": {"method": "magic"}}, "'occlusion' or 'attention'"),
    ],
)
def test_json_of_another_shape_is_422_and_names_the_field(
    gateway: Gateway, path: str, document: Any, words: str
) -> None:
    kind, error = problem(gateway.post(path, document), 422)
    assert kind == "ValidationError"
    assert words in error


def test_half_a_surrogate_pair_is_refused(gateway: Gateway) -> None:
    response = gateway.ask("POST", "/predict", content=b'{"text": "[MASK]\\ud800"}', headers=JSON)
    assert response.status_code in {400, 422}
    assert list(response.json()) == ["error", "error_type"]


def test_a_body_that_is_not_said_to_be_json_is_415(gateway: Gateway) -> None:
    body = json.dumps({"text": SENTENCE}).encode()
    for headers in ({"Content-Type": "text/plain"}, {"Content-Type": "application/x-www-form-urlencoded"}, {}):
        kind, error = problem(gateway.ask("POST", "/predict", content=body, headers=headers), 415)
        assert kind == "UnsupportedMediaTypeError"
        assert "send JSON with Content-Type: application/json" in error
    assert problem(gateway.ask("POST", "/predict"), 422)[1].startswith("the body is empty")


def test_addresses_and_methods_that_are_not_there_are_404_and_405(gateway: Gateway) -> None:
    assert problem(gateway.ask("GET", "/nothing"), 404)[0] == "NotFoundError"
    assert problem(gateway.post("/v1/fill-mask/", {}), 404)[0] == "NotFoundError"
    assert problem(gateway.ask("GET", "/page/nothing.js"), 404)[0] == "NotFoundError"
    response = gateway.ask("GET", "/predict")
    assert problem(response, 405)[0] == "MethodNotAllowedError"
    assert response.headers["allow"] == "POST"


def test_too_many_sentences_are_413_and_too_many_candidates_400(start: Start, serving_url: str) -> None:
    small = start(serving_url, "--max-batch=2", "--max-top-k=3")
    small.wait_until_ready()
    kind, error = problem(small.post("/v1/fill-mask", {"inputs": [SENTENCE] * 3}), 413)
    assert kind == "BatchTooLargeError"
    assert "takes 2 at a time" in error
    pairs = {"inputs": {"pairs": [["一", "二"]] * 3}}
    assert problem(small.post("/v1/similarity", pairs), 413)[0] == "BatchTooLargeError"
    assert "top_k is 4, this" in problem(small.post("/predict", {"text": SENTENCE, "top_k": 4}), 400)[1]
    words = {"inputs": SENTENCE, "parameters": {"candidates": ["一", "二", "三", "四"]}}
    assert "candidates is 4" in problem(small.post("/v1/score", words), 400)[1]
    assert small.post("/predict", {"text": SENTENCE, "top_k": 3}).status_code == 200


@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("/predict", {"text": SENTENCE, "top_k": 20}),
        ("/v1/fill-mask", {"inputs": [SENTENCE] * 4}),
        ("/v1/fill-mask", {"inputs": "[MASK]" * 20, "parameters": {"top_k": 1}}),
        ("/v1/fill-mask", {"inputs": SENTENCE, "parameters": {"top_k": 20, "joint": True}}),
        ("/v1/score", {"inputs": SENTENCE, "parameters": {"candidates": ["都"] * 20}}),
        ("/v1/explain", {"inputs": [SENTENCE] * 4}),
    ],
)
def test_an_answer_that_would_be_too_large_is_413_and_not_asked_for(
    start: Start, scripted_url: str, model: Model, path: str, document: Any
) -> None:
    small = start(scripted_url, "--max-answer-bytes=2000")
    small.wait_until_ready()
    asked = len(model.asked)
    kind, error = problem(small.post(path, document), 413)
    assert kind == "AnswerTooLargeError"
    assert "the limit is 2000; ask for fewer candidates" in error
    assert len(model.asked) == asked
    assert small.post("/predict", {"text": SENTENCE, "top_k": 5}).status_code == 200


def test_an_answer_that_takes_too_long_in_all_is_504_with_its_line(
    start: Start, scripted_url: str, model: Model
) -> None:
    hasty = start(scripted_url, "--answer-timeout-s=0.5")
    hasty.wait_until_ready()
    model.gate.clear()
    kind, error = problem(hasty.post("/v1/fill-mask", {"inputs": SENTENCE}), 504)
    model.gate.set()
    assert kind == "AnswerTimeoutError"
    assert "longer than 0.5 s" in error
    [line] = hasty.wait_for_lines(1, error_type="AnswerTimeoutError")
    assert (line["status"], line["level"]) == ("failed", "WARNING")


@pytest.mark.parametrize(
    ("refusal", "status", "kind"),
    [
        (Refusal("Task size 9 is larger than maximum", "UNAVAILABLE"), 503, "OverloadedError"),
        (Refusal("queue is full", "RESOURCE_EXHAUSTED"), 503, "OverloadedError"),
        (Refusal("Servable not found for request: Latest(bert_mlm)", "NOT_FOUND"), 503, "ModelNotFoundError"),
        (Refusal("Deadline of the batch expired", "DEADLINE_EXCEEDED"), 504, "DeadlineError"),
        (Refusal("/secret/path exploded", "INTERNAL"), 502, "ServerError"),
        (Refusal("input_ids has the wrong shape", "INVALID_ARGUMENT"), 502, "RequestError"),
    ],
)
def test_what_the_model_server_refuses_says_whose_fault_it_is_without_its_words(
    shared: Gateway, model: Model, refusal: Refusal, status: int, kind: str
) -> None:
    model.refusal = refusal
    response = shared.post("/predict", {"text": SENTENCE})
    found, error = problem(response, status)
    assert found == kind
    assert refusal.message not in error
    assert response.headers["x-request-id"] in error
    assert ("retry-after" in response.headers) == (status == 503)
    [line] = shared.wait_for_lines(1, request_id=response.headers["x-request-id"])
    assert (line["level"], line["status"], line["error_type"]) == ("ERROR", "failed", kind)
    assert refusal.message in line["error"]


def test_scores_that_are_no_numbers_are_502_and_no_success_in_the_log(shared: Gateway, model: Model) -> None:
    model.answers = {"scores": np.full((1, 1, 20), np.nan, np.float32)}
    response = shared.post("/predict", {"text": SENTENCE})
    assert problem(response, 502)[0] == "ProtocolError"
    [line] = shared.wait_for_lines(1, request_id=response.headers["x-request-id"])
    assert (line["status"], line["error_type"]) == ("failed", "ProtocolError")


@pytest.mark.parametrize(
    ("path", "document"),
    [("/predict", {"text": SENTENCE}), ("/v1/fill-mask", {"inputs": [SENTENCE]})],
)
def test_a_number_that_is_none_beside_the_best_score_is_502_too(
    shared: Gateway, model: Model, path: str, document: Any
) -> None:
    scores = np.full((1, 1, 20), 0.1, np.float32)
    scores[0, 0, 1:] = np.inf
    model.answers = {"scores": scores}
    response = shared.post(path, document)
    assert problem(response, 502)[0] == "ProtocolError"
    [line] = shared.wait_for_lines(1, request_id=response.headers["x-request-id"])
    assert (line["status"], line["error_type"]) == ("failed", "ProtocolError")


def test_a_task_that_the_served_version_cannot_do_is_501(shared: Gateway) -> None:
    assert problem(shared.post("/v1/features", {"inputs": "天气"}), 501)[0] == "SignatureNotFoundError"


def test_an_answer_that_does_not_come_in_time_is_504(start: Start, scripted_url: str, model: Model) -> None:
    gateway = start(scripted_url, "--timeout-s=0.5")
    gateway.wait_until_ready()
    model.gate.clear()
    assert problem(gateway.post("/predict", {"text": SENTENCE}), 504)[0] == "ServerTimeoutError"


def test_no_model_server_is_503_and_its_address_is_not_told(start: Start, refusing_port: int) -> None:
    gateway = start(f"grpc://127.0.0.1:{refusing_port}", "--timeout-s=1")
    response = gateway.post("/predict", {"text": SENTENCE})
    assert problem(response, 503)[0] == "UnreachableError"
    assert response.headers["retry-after"] == "1"
    assert str(refusing_port) not in response.text


class Broken:
    """A client with an unexpected exception."""

    async def fill_masks(self, *_arguments: object, **_options: object) -> None:
        msg = "/home/secret/file.py is broken"
        raise RuntimeError(msg)

    async def close(self) -> None:
        """Do nothing."""

    async def model_status(self, **_options: object) -> ModelStatus:
        return ModelStatus("bert_mlm", ())


class Damaged(Broken):
    """A client of a model whose vectors and weights are NaN."""

    async def features(self, texts: list[str], **_options: object) -> list[Features]:
        vector = np.array([0.1, np.nan], np.float32)
        return [Features(text, vector, vector, None) for text in texts]

    async def similarity(self, pairs: list[object]) -> list[Similarity]:
        return [Similarity(0.5, "whitened cosine", float("nan")) for _ in pairs]

    async def explain(self, text: str, **_options: object) -> list[Explanation]:
        best = Prediction(0.5, 1, "都", text)
        return [Explanation(text, "attention", best, (TokenWeight("国", float("-inf"), (1, 2)),))]


def test_vectors_and_weights_that_are_no_numbers_are_502_and_no_success_in_log_and_metrics(tmp_path: Path) -> None:
    app = create_app(Settings.model_construct(log_folder=tmp_path), cast("AsyncFillMask", Damaged()))
    with run_in_thread(app) as url:
        for path, inputs in (
            ("/v1/features", "天气"),
            ("/v1/explain", SENTENCE),
            ("/v1/similarity", {"pairs": [["一", "二"]]}),
        ):
            response = httpx2.post(f"{url}{path}", json={"inputs": inputs}, trust_env=False)
            assert problem(response, 502)[0] == "ProtocolError"
        told = httpx2.get(f"{url}/metrics", trust_env=False).text
    lines = [json.loads(line) for line in (tmp_path / "gateway.log").read_text().splitlines()]
    answered = [line for line in lines if line["module"] == "inference"]
    assert [line["task"] for line in answered] == ["feature_extraction", "explanation", "semantic_similarity"]
    assert {(line["status"], line["error_type"]) for line in answered} == {("failed", "ProtocolError")}
    assert not [line for line in lines if line["task"] == "unhandled_exception"]
    for task in ("feature_extraction", "explanation", "semantic_similarity"):
        assert f'gateway_errors_total{{error_type="ProtocolError",task="{task}"}} 1.0' in told


def test_a_fault_of_the_gateway_is_500_tells_nothing_and_is_a_line_of_the_log(tmp_path: Path) -> None:
    app = create_app(Settings.model_construct(log_folder=tmp_path), cast("AsyncFillMask", Broken()))
    with run_in_thread(app) as url:
        response = httpx2.post(f"{url}/predict", json={"text": SENTENCE}, trust_env=False)
        kind, error = problem(response, 500)
        assert httpx2.get(f"{url}/readyz", trust_env=False).status_code == 503  # and it goes on
    assert kind == "InternalError"
    assert "secret" not in error
    assert response.headers["content-security-policy"]
    lines = [json.loads(line) for line in (tmp_path / "gateway.log").read_text().splitlines()]
    [unhandled] = [line for line in lines if line["task"] == "unhandled_exception"]
    assert unhandled["error_type"] == "RuntimeError"
    assert unhandled["request_id"] == response.headers["x-request-id"]
    assert "in fill" in unhandled["traceback"]
    [failed] = [line for line in lines if line["module"] == "inference"]
    assert (failed["status"], failed["error_type"]) == ("failed", "RuntimeError")
