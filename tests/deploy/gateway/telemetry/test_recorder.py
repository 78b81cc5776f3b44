"""Test the line of every sentence and the metrics."""

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from bert_mlm_client import __version__

from deploy.gateway import paths
from deploy.gateway.context import RequestContext, current
from deploy.gateway.errors import ApiError
from deploy.gateway.log.gpu import GpuUsage
from deploy.gateway.log.json_lines import level_of
from deploy.gateway.log.lines import Inference, Line, RefusedRequest
from deploy.gateway.log.resources import ProcessUsage, Resources
from deploy.gateway.telemetry.metrics import Metrics
from deploy.gateway.telemetry.recorder import Best, Recorder
from tests.deploy.gateway.conftest import SENTENCE, Gateway, Model, Start, watch_of

ORDER = [
    "timestamp",
    "level",
    "module",
    "task",
    "status",
    "instance",
    "service_version",
    "request_id",
    "trace_id",
    "path",
    "status_code",
    "model_name",
    "model_version",
    "batch_size",
    "input_text",
    "predicted_token",
    "score",
    "inference_time_ms",
    "tokenize_time_ms",
    "total_time_ms",
    "duration_ns",
    "gpu_memory_mb",
    "sentences",
    "calls",
]


class Lines(list[Line]):
    """A log that keeps its lines."""

    write = list.append


@pytest.fixture
def context() -> Iterator[RequestContext]:
    """The request that is being answered."""
    context = RequestContext("mine")
    token = current.set(context)
    yield context
    current.reset(token)


def end(context: RequestContext) -> None:
    """Run the callbacks after the response."""
    for act in context.after_response:
        act()


def recorder(log: Lines) -> Recorder:
    used = Resources(ProcessUsage(1, 1.0, 1.0), None, GpuUsage("GPU", 3.0, None))
    return Recorder(log, Metrics(), model_name="m", watch=watch_of(7), low_confidence=0.5, resources=lambda: used)


def test_each_sentence_of_a_request_has_a_line_with_what_it_was_answered(context: RequestContext) -> None:
    log = Lines()
    with recorder(log).question("mask_prediction", ["一", "二"]) as question:
        question.answers = [Best("a", 0.9), Best("b", 0.4)]
    end(context)
    first, second = log
    assert isinstance(first, Inference)
    assert isinstance(second, Inference)
    assert (first.input_text, first.predicted_token, first.score, first.status) == ("一", "a", 0.9, "success")
    assert (second.input_text, second.status, second.batch_size) == ("二", "low_confidence", 2)
    assert (first.model_name, first.model_version, first.gpu_memory_mb) == ("m", 7, 3.0)
    assert first.request_id == second.request_id == "mine"


def test_a_low_score_is_a_warning_only_where_a_mask_was_filled(context: RequestContext) -> None:
    log = Lines()
    with recorder(log).question("semantic_similarity", ["一"]) as question:
        question.answers = [Best(score=0.01)]
    end(context)
    assert log[0].status == "success"


def ask_in_vain(recorder: Recorder) -> None:
    with recorder.question("explanation", ["一", "二"]):
        msg = "broken"
        raise RuntimeError(msg)


def test_an_error_is_a_line_for_each_sentence_and_goes_on(context: RequestContext) -> None:
    log = Lines()
    with pytest.raises(RuntimeError, match="broken"):
        ask_in_vain(recorder(log))
    assert [getattr(line, "request_id", None) for line in log] == [context.request_id] * 2
    assert {line.status for line in log} == {"failed"}


def test_the_time_of_the_model_server_counts_though_other_requests_to_it_are_still_open(
    context: RequestContext,
) -> None:
    log = Lines()
    recording = recorder(log)
    context.send()
    with pytest.raises(RuntimeError, match="broken"):
        ask_in_vain(recording)
    first, second = log
    assert isinstance(first, Inference)
    assert isinstance(second, Inference)
    assert first.inference_time_ms is not None
    assert 0 < first.inference_time_ms == second.inference_time_ms


def test_refused_requests_are_counted_at_once_and_told_together(context: RequestContext) -> None:
    log, metrics = Lines(), Metrics()
    recording = Recorder(log, metrics, model_name="m", watch=watch_of(7), low_confidence=0.5)

    async def refuse() -> None:
        for path in (paths.PREDICT, paths.FILL_MASK, paths.PREDICT, paths.SCORE, "other"):
            recording.rejected(path, ApiError(429, "ConcurrencyLimitError", "too many"))
        assert log == []
        recording.write_rejected()
        recording.write_rejected()

    asyncio.run(refuse())
    predict, fill, score, other = log
    assert isinstance(predict, Inference)
    assert isinstance(fill, Inference)
    assert isinstance(score, Inference)
    assert (predict.task, predict.status, predict.level, predict.error_type) == (
        "mask_prediction",
        "failed",
        "WARNING",
        "ConcurrencyLimitError",
    )
    assert (predict.error, predict.request_id, predict.sample_rate) == ("too many", context.request_id, 1 / 2)
    assert (predict.path, predict.status_code) == ("/predict", 429)
    assert (fill.task, fill.path, fill.sample_rate) == ("mask_prediction", "/v1/fill-mask", None)
    assert (score.task, score.sample_rate) == ("token_scoring", None)
    assert isinstance(other, RefusedRequest)
    told, _ = metrics.write("")
    assert b'gateway_errors_total{error_type="ConcurrencyLimitError",task="mask_prediction"} 3.0' in told
    assert b'gateway_sentences_total{status="failed",task="mask_prediction"} 3.0' in told


def test_requests_refused_for_another_reason_are_lines_but_no_calls(context: RequestContext) -> None:
    log, metrics = Lines(), Metrics()
    recording = Recorder(log, metrics, model_name="m", watch=watch_of(7), low_confidence=0.5)
    before = metrics.write("")[0]

    async def refuse() -> None:
        for _ in range(4):
            recording.rejected(paths.PREDICT, ApiError(413, "BodyTooLargeError", "too large"))
        recording.rejected(paths.PREDICT, ApiError(413, "BatchTooLargeError", "too many sentences"))
        recording.rejected(paths.METRICS, ApiError(401, "UnauthorizedError", "no key"))
        recording.write_rejected()

    asyncio.run(refuse())
    body, batch, key = log
    assert isinstance(body, RefusedRequest)
    assert isinstance(batch, RefusedRequest)
    assert isinstance(key, RefusedRequest)
    assert (level_of(body), body.module, body.status) == ("WARNING", "http", "refused")
    assert (body.path, body.status_code, body.error_type, body.error) == (
        "/predict",
        413,
        "BodyTooLargeError",
        "too large",
    )
    assert (body.request_id, body.sample_rate) == (context.request_id, 1 / 4)
    assert (batch.error_type, batch.sample_rate) == ("BatchTooLargeError", None)
    assert (key.path, key.status_code) == ("/metrics", 401)
    for name in (b"gateway_sentences_total", b"gateway_errors_total"):
        assert samples(name, metrics.write("")[0]) == samples(name, before)


def samples(name: bytes, exposition: bytes) -> list[bytes]:
    """Return the samples of a metric."""
    return [line for line in exposition.splitlines() if line.startswith(name)]


def test_an_answer_for_another_number_of_sentences_is_a_fault() -> None:
    with pytest.raises(ValueError, match="zip"), recorder(Lines()).question("mask_prediction", ["一"]):
        pass


def test_the_line_has_every_field_of_the_contract_in_its_order(gateway: Gateway) -> None:
    headers = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "X-Request-Id": "order-1"}
    answer = gateway.post("/predict", {"text": SENTENCE}, headers=headers).json()
    [line] = gateway.wait_for_lines(1, request_id="order-1")
    assert list(line) == ORDER
    assert (line["instance"], line["service_version"]) == (socket.gethostname(), __version__)
    assert (line["path"], line["status_code"]) == ("/predict", 200)
    assert (line["module"], line["task"], line["status"], line["level"]) == (
        "inference",
        "mask_prediction",
        "success",
        "INFO",
    )
    assert line["input_text"] == SENTENCE
    assert line["predicted_token"] == answer["results"][0]["token"]
    assert line["score"] == pytest.approx(answer["results"][0]["score"], rel=1e-5)
    assert 0 < line["inference_time_ms"] <= line["total_time_ms"]


@pytest.mark.parametrize(
    ("path", "document", "task", "text"),
    [
        ("/v1/score", {"inputs": SENTENCE, "parameters": {"candidates": ["都"]}}, "token_scoring", SENTENCE),
        ("/v1/similarity", {"inputs": {"pairs": [["一", "二"]]}}, "semantic_similarity", "一 | 二"),
        ("/v1/features", {"inputs": "一"}, "feature_extraction", "一"),
        ("/v1/explain", {"inputs": SENTENCE}, "explanation", SENTENCE),
        ("/v1/proofread", {"inputs": "今天"}, "proofreading", "今天"),
    ],
)
def test_every_task_is_logged_under_its_name(gateway: Gateway, path: str, document: Any, task: str, text: str) -> None:
    request_id = gateway.post(path, document).headers["x-request-id"]
    [line] = gateway.wait_for_lines(1, request_id=request_id)
    assert (line["task"], line["input_text"], line["status"]) == (task, text, "success")


def test_an_explanations_line_has_the_answer_that_was_explained(gateway: Gateway) -> None:
    parameters = {"target": ["首都", "京"], "joint": True}
    asked = gateway.post("/v1/explain", {"inputs": "中国的[MASK][MASK]是北[MASK]。", "parameters": parameters})
    [line] = gateway.wait_for_lines(1, request_id=asked.headers["x-request-id"])
    assert line["predicted_token"] == "首都 京"
    assert line["score"] == pytest.approx(min(one["prediction"]["score"] for one in asked.json()), rel=1e-5)


def test_what_the_caller_did_wrong_is_a_warning_and_no_error(gateway: Gateway) -> None:
    request_id = gateway.post("/predict", {"text": "没有"}).headers["x-request-id"]
    [line] = gateway.wait_for_lines(1, request_id=request_id)
    assert (line["level"], line["status"], line["error_type"]) == ("WARNING", "failed", "InputError")
    assert "inference_time_ms" not in line


def test_personal_data_does_not_reach_the_log(gateway: Gateway) -> None:
    text = "我的手机是13812345678，请[MASK]我。"
    request_id = gateway.post("/predict", {"text": text}).headers["x-request-id"]
    [line] = gateway.wait_for_lines(1, request_id=request_id)
    assert "13812345678" not in line["input_text"]
    assert "[MASK]" in line["input_text"]


@pytest.mark.parametrize("mode", ["digest", "none"])
def test_words_that_the_caller_gave_reach_the_log_as_little_as_the_sentence(
    mode: str, start: Start, serving_url: str
) -> None:
    private = start(serving_url, f"--log-text={mode}", GATEWAY_LOG_DIGEST_KEY="0123456789abcdef")
    private.wait_until_ready()
    private.answer("/v1/score", {"inputs": SENTENCE, "parameters": {"candidates": ["都"]}})
    private.answer("/v1/fill-mask", {"inputs": SENTENCE, "parameters": {"targets": ["都"]}})
    private.answer("/v1/explain", {"inputs": SENTENCE, "parameters": {"target": "都"}})
    private.answer("/v1/fill-mask", {"inputs": SENTENCE})
    *given, own = private.wait_for_lines(4, module="inference")
    assert own["predicted_token"] == "都"
    for line in given:
        assert line.get("predicted_token", "").startswith("hmac-sha256:") == (mode == "digest")
        assert "都" not in line.get("predicted_token", "")


def test_lines_and_metrics_count_the_same_sentences(scripted: Gateway, model: Model) -> None:
    scripted.answer("/v1/fill-mask", {"inputs": [SENTENCE] * 3})
    model.answers = {"scores": np.full((1, 1, 20), 0.01, np.float32)}
    scripted.answer("/predict", {"text": SENTENCE})
    scripted.post("/predict", {"text": "没有"})
    lines = scripted.wait_for_lines(5, module="inference")
    metrics = scripted.metrics()
    for status, count in (("success", 3), ("low_confidence", 1), ("failed", 1)):
        assert metrics[f'gateway_sentences_total{{status="{status}",task="mask_prediction"}}'] == count
        assert len([line for line in lines if line["status"] == status]) == count
    assert [line["level"] for line in lines if line["status"] == "low_confidence"] == ["WARNING"]
    assert metrics['gateway_errors_total{error_type="InputError",task="mask_prediction"}'] == 1


def test_a_line_has_the_version_that_answered_not_the_one_last_heard_of(scripted: Gateway, model: Model) -> None:
    scripted.answer("/predict", {"text": SENTENCE})
    model.version = 2
    scripted.answer("/predict", {"text": SENTENCE})
    lines = scripted.wait_for_lines(2, task="mask_prediction")
    assert [line["model_version"] for line in lines] == [1, 2]
