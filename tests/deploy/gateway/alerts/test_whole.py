"""Test alerts of a gateway in log, /metrics, /healthz and webhook."""

from typing import Any

import httpx2
import numpy as np

from tests.client.scripted import Refusal
from tests.deploy.gateway.alerts.conftest import Receiver, Reply
from tests.deploy.gateway.conftest import SENTENCE, Gateway, Model, Start, StartProcess, wait_until

TOKEN = "token-of-this-test"


def firing(gateway: Gateway) -> list[str]:
    return [one["alert"] for one in gateway.ask("GET", "/healthz").json()["alerts"]]


def alert_lines(gateway: Gateway, count: int, name: str) -> list[tuple[str, str, Any, Any]]:
    lines = gateway.wait_for_lines(count, module="alert", task=name)
    return [(line["status"], line["level"], line.get("value"), line["threshold"]) for line in lines]


def ask(gateway: Gateway) -> httpx2.Response:
    return gateway.post("/predict", {"text": SENTENCE})


def test_five_errors_in_a_row_are_told_everywhere_once_and_their_end_too(
    start_process: StartProcess, scripted_url: str, model: Model, receiver: Receiver
) -> None:
    gateway = start_process(
        scripted_url, "--alert-latency-ms=100000", GATEWAY_ALERT_WEBHOOK=receiver.url, GATEWAY_ALERT_WEBHOOK_TOKEN=TOKEN
    )
    gateway.wait_until_ready()
    receiver.replies.append(Reply(503))
    model.refusal = Refusal("broken", "INTERNAL")
    for _ in range(4):
        assert ask(gateway).status_code == 502
        assert gateway.post("/predict", {"text": "没有"}).status_code == 400
    assert firing(gateway) == []
    assert ask(gateway).status_code == 502
    response = gateway.ask("GET", "/healthz")
    assert response.status_code == 200  # an alert does not make it unhealthy
    [told] = response.json()["alerts"]
    assert gateway.metrics()['gateway_alert_firing{alert="consecutive_errors"}'] == 1
    ask(gateway)

    model.refusal = None
    assert ask(gateway).status_code == 200
    wait_until(lambda: firing(gateway) == [])
    assert alert_lines(gateway, 2, "consecutive_errors") == [("firing", "WARNING", 5, 5), ("resolved", "INFO", 0, 5)]
    [log] = gateway.folder.iterdir()
    assert '"value":5.0,"threshold":5.0' in log.read_text()  # a float for every alert, for typed indices
    wait_until(lambda: len(receiver.received) >= 3)
    first, again, ended = (one.document for one in receiver.received)
    assert first == again
    assert (first["alert"], first["status"], first["value"]) == ("consecutive_errors", "firing", 5)
    assert told == {"alert": "consecutive_errors", "since": first["started_at"]}
    assert (ended["status"], ended["started_at"]) == ("resolved", first["started_at"])
    assert ended["id"] != first["id"]
    assert receiver.received[0].headers["Authorization"] == f"Bearer {TOKEN}"
    wait_until(lambda: gateway.metrics()['gateway_webhook_deliveries_total{outcome="delivered"}'] == 2)

    model.refusal = Refusal("broken", "INTERNAL")
    assert gateway.post("/v1/fill-mask", {"inputs": [SENTENCE] * 5}).status_code == 502  # a line for each sentence
    metrics = gateway.metrics()
    assert metrics['gateway_alerts_total{alert="consecutive_errors"}'] == 2
    assert metrics['gateway_alert_firing{alert="mean_latency"}'] == 0
    _, said = gateway.stop()
    assert [one.document["status"] for one in receiver.received[3:]] == ["firing"]  # no end notice at the stop
    assert TOKEN not in said
    assert "secret-in-path" not in said
    assert "failed (HTTP 503)" in said


def test_slow_and_doubtful_answers_are_alerts_though_the_sample_of_the_log_has_no_line(
    start: Start, scripted_url: str, model: Model, receiver: Receiver
) -> None:
    gateway = start(
        scripted_url,
        "--alert-latency-ms=0.01",
        "--alert-low-confidence=0.9",
        "--alert-window-s=3",
        "--alert-min-sentences=3",
        "--log-sample-rate=0.000001",
        GATEWAY_ALERT_WEBHOOK=receiver.url,
    )
    gateway.wait_until_ready()
    model.answers = {"scores": np.full((1, 1, 20), 0.01, np.float32)}

    def ask_and_look() -> list[str]:
        assert ask(gateway).status_code == 200
        return firing(gateway)

    wait_until(lambda: len(ask_and_look()) == 2)
    assert set(firing(gateway)) == {"mean_latency", "low_confidence_share"}
    wait_until(lambda: firing(gateway) == [])  # without requests, the window becomes empty
    begun, ended = alert_lines(gateway, 2, "mean_latency")
    assert begun[2] > 0.01
    assert ended == ("resolved", "INFO", None, 0.01)
    assert alert_lines(gateway, 2, "low_confidence_share")[0] == ("firing", "WARNING", 1.0, 0.9)
    wait_until(lambda: len(receiver.received) == 4)
    assert [one.document["value"] for one in receiver.received if one.document["status"] == "resolved"] == [None, None]


def test_a_model_that_is_not_ready_is_an_alert_until_it_is(start: Start, scripted_url: str, model: Model) -> None:
    model.state = "LOADING"
    gateway = start(scripted_url, "--alert-not-ready-s=0.5")
    wait_until(lambda: firing(gateway) == ["model_not_ready"])
    model.state = "AVAILABLE"
    wait_until(lambda: firing(gateway) == [])
    begun, ended = alert_lines(gateway, 2, "model_not_ready")
    assert begun[2] >= 0.5
    assert ended[0] == "resolved"


def test_a_receiver_that_does_not_answer_delays_no_request_and_the_end_briefly(
    start_process: StartProcess, scripted_url: str, model: Model, receiver: Receiver
) -> None:
    receiver.gate.clear()
    gateway = start_process(scripted_url, "--alert-errors=1", GATEWAY_ALERT_WEBHOOK=receiver.url)
    gateway.wait_until_ready()
    model.refusal = Refusal("broken", "INTERNAL")
    ask(gateway)
    wait_until(lambda: receiver.received)
    model.refusal = None
    assert ask(gateway).status_code == 200  # while the receiver delays its answer
    assert len(receiver.received) == 1
    status, said = gateway.stop()
    assert status == 0
    assert "2 notices were not delivered to 127.0.0.1 before the stop" in said
    assert gateway.lines(module="alert", task="consecutive_errors", status="resolved")
