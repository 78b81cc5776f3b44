"""Test body limits, the concurrency limit and API keys."""

import json
import select
import socket
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.client import HTTPResponse
from typing import Any

import httpx2
import pytest

from deploy.gateway.middleware.body_limit import BODIES
from deploy.gateway.report.query import read_report
from deploy.gateway.report.time_range import time_range
from tests.deploy.gateway.conftest import SENTENCE, Gateway, Model, Start, StartProcess, wait_until

BODY = json.dumps({"text": SENTENCE}).encode()
KEY = "0123456789abcdef0123456789abcdef"
KEYS = {"GATEWAY_API_KEYS": f"{KEY},{KEY[::-1]}", "GATEWAY_METRICS_KEY": "true"}


def head(*lines: str) -> bytes:
    first = ("POST /predict HTTP/1.1", "Host: gateway", "Content-Type: application/json", *lines)
    return "\r\n".join([*first, "", ""]).encode()


def chunked(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (*parts, b""))


def test_a_body_over_the_limit_is_413_and_the_connection_stays(start: Start, scripted_url: str) -> None:
    gateway = start(scripted_url, "--max-body-bytes=100")
    gateway.wait_until_ready()
    with httpx2.Client(base_url=gateway.url, trust_env=False) as client:
        refused = client.post("/predict", json={"text": "一" * 100 + "[MASK]"})
        assert (refused.status_code, refused.json()["error_type"]) == (413, "BodyTooLargeError")
        assert "100 bytes" in refused.json()["error"]
        assert client.post("/predict", content=BODY, headers={"Content-Type": "application/json"}).status_code == 200


def test_a_body_of_unknown_length_is_refused_while_it_comes(start: Start, scripted_url: str) -> None:
    gateway = start(scripted_url, "--max-body-bytes=100")
    gateway.wait_until_ready()
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=30) as connection:
        connection.sendall(head("Transfer-Encoding: chunked") + b"%x\r\n%s\r\n" % (101, b"x" * 101))  # and no end
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")
    raw = head("Transfer-Encoding: chunked", "Connection: close") + chunked(BODY[:20], BODY[20:])
    assert gateway.exchange(raw).startswith(b"HTTP/1.1 200 ")


def test_a_body_that_is_announced_too_large_is_refused_before_it_is_sent(start: Start, scripted_url: str) -> None:
    gateway = start(scripted_url, "--max-body-bytes=100")
    answer = gateway.exchange(head("Content-Length: 101", "Expect: 100-continue"))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"100 Continue" not in answer


def test_a_body_that_comes_too_slowly_is_408_and_the_connection_ends(start: Start, scripted_url: str) -> None:
    gateway = start(scripted_url, "--client-timeout-s=0.3")
    answer = gateway.exchange(head(f"Content-Length: {len(BODY)}") + BODY[:5])
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"BodyTimeoutError" in answer


def test_a_body_that_finds_no_room_beside_the_others_is_503(start: Start, scripted_url: str) -> None:
    gateway = start(scripted_url, "--max-body-bytes=1000")
    gateway.wait_until_ready()
    with ExitStack() as stack:
        connections = [
            stack.enter_context(socket.create_connection(("127.0.0.1", gateway.port), timeout=30))
            for _ in range(BODIES + 1)
        ]
        for connection in connections:
            connection.sendall(head("Content-Length: 1000") + b" " * 999)  # none is complete
        [refused], _, _ = select.select(connections, [], [], 30)
        answer = HTTPResponse(refused)
        answer.begin()
        assert (answer.status, json.load(answer)["error_type"]) == (503, "TooManyBodiesError")
        assert int(answer.headers["retry-after"]) >= 1
        assert gateway.ask("GET", "/healthz").status_code == 200
    wait_until(lambda: gateway.post("/predict", {"text": SENTENCE + " " * 900}).status_code == 200)


def test_a_client_that_goes_away_in_the_middle_of_its_body_costs_nothing(start: Start, scripted_url: str) -> None:
    gateway = start(scripted_url)
    gateway.wait_until_ready()
    with socket.create_connection(("127.0.0.1", gateway.port)) as connection:
        connection.sendall(head(f"Content-Length: {len(BODY)}") + BODY[:5])
    assert gateway.post("/predict", {"text": SENTENCE}).status_code == 200
    assert gateway.lines(task="unhandled_exception") == []


def test_nothing_is_computed_for_a_client_that_has_gone(
    start_process: StartProcess, scripted_url: str, model: Model
) -> None:
    gateway = start_process(scripted_url, "--max-concurrency=1")
    gateway.wait_until_ready()
    model.gate.clear()
    with socket.create_connection(("127.0.0.1", gateway.port)) as connection:
        connection.sendall(head(f"Content-Length: {len(BODY)}") + BODY)
        wait_until(lambda: model.waiting == 1)
    wait_until(lambda: gateway.metrics()["gateway_in_flight"] == 0)  # though the model has not answered
    assert gateway.metrics()['gateway_requests_total{path="/predict",status="499"}'] == 1
    model.gate.set()
    assert gateway.post("/predict", {"text": SENTENCE}).status_code == 200
    _, said = gateway.stop()
    assert "Traceback" not in said
    assert "Exception" not in said


def test_who_comes_when_the_line_is_full_gets_429_and_the_others_are_answered(
    start: Start, scripted_url: str, model: Model
) -> None:
    gateway = start(scripted_url, "--max-concurrency=2", "--max-queue=1", "--queue-timeout-s=20")
    gateway.wait_until_ready()
    model.gate.clear()

    def ask() -> httpx2.Response:
        return gateway.post("/predict", {"text": SENTENCE})

    with ThreadPoolExecutor(3) as pool:
        answers = [pool.submit(ask) for _ in range(3)]
        wait_until(lambda: gateway.metrics()["gateway_queue"] == 1)
        assert gateway.metrics()["gateway_in_flight"] == 2
        refused = gateway.post("/predict", {"text": SENTENCE})
        assert (refused.status_code, refused.json()["error_type"]) == (429, "ConcurrencyLimitError")
        assert int(refused.headers["retry-after"]) >= 1
        assert gateway.ask("GET", "/healthz").status_code == 200  # health requests do not queue
        model.gate.set()
        assert [answer.result().status_code for answer in answers] == [200, 200, 200]
        timings = [answer.result().headers["server-timing"] for answer in answers]
    waited = [float(timing.split(",")[0].removeprefix("queue;dur=")) for timing in timings]
    assert sorted(ms > 0 for ms in waited) == [False, False, True]
    assert gateway.metrics()["gateway_in_flight"] == 0


def test_who_waits_too_long_in_line_gets_429(start: Start, scripted_url: str, model: Model) -> None:
    gateway = start(scripted_url, "--max-concurrency=1", "--queue-timeout-s=0.2")
    gateway.wait_until_ready()
    model.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(gateway.post, "/predict", {"text": SENTENCE})
        wait_until(lambda: model.waiting)
        assert gateway.post("/predict", {"text": SENTENCE}).status_code == 429
        model.gate.set()
        assert first.result().status_code == 200


def test_requests_that_were_refused_are_in_the_log_by_their_number_and_in_the_report(
    start_process: StartProcess, scripted_url: str, model: Model
) -> None:
    gateway = start_process(scripted_url, "--max-concurrency=1", "--max-queue=0")
    gateway.wait_until_ready()
    model.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(gateway.post, "/predict", {"text": SENTENCE})
        wait_until(lambda: model.waiting)
        assert [gateway.post("/predict", {"text": SENTENCE}).status_code for _ in range(20)] == [429] * 20
        assert (
            gateway.metrics()['gateway_errors_total{error_type="ConcurrencyLimitError",task="mask_prediction"}'] == 20
        )
        model.gate.set()
        assert first.result().status_code == 200
    gateway.stop()  # the stop writes the line of the last second
    lines = gateway.lines(error_type="ConcurrencyLimitError")
    assert {(line["status"], line["level"]) for line in lines} == {("failed", "WARNING")}
    assert "too many concurrent requests" in lines[0]["error"]
    report = read_report(gateway.folder, time_range(since="1h"))
    assert [(error.error_type, round(error.count)) for error in report.errors] == [("ConcurrencyLimitError", 20)]
    assert round(report.totals.requests) == 21


@pytest.fixture
def locked(start: Start, scripted_url: str) -> Gateway:
    gateway = start(scripted_url, **KEYS)
    gateway.wait_until_ready()
    return gateway


def test_without_a_key_or_with_a_wrong_one_nothing_is_asked(locked: Gateway, model: Model) -> None:
    for headers in (
        {},
        {"X-API-Key": KEY[:-1]},
        {"Authorization": f"Basic {KEY}"},
        {"Authorization": "Bearer nothing"},
    ):
        response = locked.post("/predict", {"text": SENTENCE}, headers=headers)
        assert response.status_code == 401
        assert response.json()["error_type"] == "UnauthorizedError"
        assert response.headers["www-authenticate"] == "Bearer"
        assert locked.post("/v1/explain", {}, headers=headers).status_code == 401
        assert locked.ask("GET", "/metrics", headers=headers).status_code == 401
    assert model.requests("fill_mask") == []


def test_each_key_opens_in_either_header_and_health_and_page_need_none(locked: Gateway) -> None:
    for headers in ({"X-API-Key": KEY}, {"Authorization": f"Bearer {KEY[::-1]}"}, {"Authorization": f"bearer {KEY}"}):
        assert locked.post("/predict", {"text": SENTENCE}, headers=headers).status_code == 200
        assert locked.ask("GET", "/metrics", headers=headers).status_code == 200
    for path in ("/healthz", "/readyz", "/", "/docs", "/openapi.json"):
        assert locked.ask("GET", path).status_code == 200


def test_a_refused_request_is_a_line_and_no_call(start_process: StartProcess, scripted_url: str) -> None:
    gateway = start_process(
        scripted_url, "--max-body-bytes=300", "--max-batch=2", "--instance=gw-1", GATEWAY_API_KEYS=KEY
    )
    gateway.wait_until_ready()
    key = {"X-API-Key": KEY}
    json_type = {**key, "Content-Type": "application/json"}
    refusals: list[tuple[int, str, dict[str, Any]]] = [
        (401, "UnauthorizedError", {"json": {"text": SENTENCE}}),
        (413, "BodyTooLargeError", {"json": {"text": "一" * 100}, "headers": key}),
        (413, "BatchTooLargeError", {"json": {"inputs": [SENTENCE] * 3}, "headers": key}),
        (415, "UnsupportedMediaTypeError", {"content": BODY, "headers": {**key, "Content-Type": "text/plain"}}),
        (422, "ValidationError", {"json": {"inputs": SENTENCE, "电话13812345678": 1}, "headers": key}),
        (400, "MalformedBodyError", {"content": b"{", "headers": json_type}),
    ]
    for _ in range(3):
        for status, _, request in refusals:
            assert gateway.ask("POST", "/v1/fill-mask?q=秘密", **request).status_code == status
    assert gateway.ask("POST", "/v1/secret-of-a-caller", json={}).status_code == 401
    for path in ("/v1/secret-of-a-caller", "/page/secret.js"):
        assert gateway.ask("GET", path, headers=key).status_code == 404
    for path in ("/predict", "/page/secret.js"):
        assert gateway.ask("DELETE", path, headers=key).status_code == 405
    assert gateway.post("/predict", {"text": SENTENCE}, headers=key).status_code == 200
    gateway.stop()  # the stop writes the lines of the last second
    lines = gateway.lines(module="http")
    counts: dict[tuple[Any, ...], float] = defaultdict(float)
    for line in lines:
        assert (line["level"], line["status"], line["instance"]) == ("WARNING", "refused", "gw-1")
        counts[line["path"], line["status_code"], line["error_type"]] += line["refused"]
    expected = {("/v1/fill-mask", status, error_type): 3 for status, error_type, _ in refusals}
    unknown = {("other", 401, "UnauthorizedError"): 1, ("other", 404, "NotFoundError"): 2}
    method = {("/predict", 405, "MethodNotAllowedError"): 1, ("other", 405, "MethodNotAllowedError"): 1}
    assert counts == pytest.approx(expected | unknown | method)
    assert not [
        word for word in ("秘密", "secret", "13812345678", KEY) if word in json.dumps(lines, ensure_ascii=False)
    ]
    report = read_report(gateway.folder, time_range(since="1h"))
    assert (report.totals.requests, report.errors) == (1, ())
    assert sum(one.count for one in report.refused) == pytest.approx(23)
    assert (report.refused[0].error_type, report.refused[0].status_code) == ("UnauthorizedError", 401)


def test_keys_are_in_no_line_and_no_output(start_process: StartProcess, scripted_url: str) -> None:
    locked = start_process(scripted_url, **KEYS)
    locked.wait_until_ready()
    locked.post("/predict", {"text": SENTENCE}, headers={"X-API-Key": KEY})
    _, said = locked.stop()
    assert KEY not in said + "".join(locked.printed) + json.dumps(locked.lines())


def test_answers_have_the_headers_that_keep_pages_apart_and_none_for_other_origins(gateway: Gateway) -> None:
    for path in ("/", "/docs", "/healthz", "/nothing", "/openapi.json"):
        headers = gateway.ask("GET", path, headers={"Origin": "https://elsewhere.example"}).headers
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "http" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert not [name for name in headers if name.startswith("access-control-")]
        assert "server" not in headers
    preflight = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    refused = gateway.ask("OPTIONS", "/predict", headers=preflight)
    assert refused.status_code == 405
    assert "access-control-allow-origin" not in refused.headers
