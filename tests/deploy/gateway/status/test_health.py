"""Test health, readiness and their reasons."""

import logging
from collections.abc import Iterator

import pytest

from tests.client.scripted import Refusal, grpc_server
from tests.deploy.gateway.conftest import SENTENCE, Gateway, Model, Start, wait_until


def test_healthz_tells_the_models_versions_and_what_is_used(gateway: Gateway) -> None:
    response = gateway.ask("GET", "/healthz")
    assert response.status_code == 200
    state = response.json()
    assert state["status"] == "ok"
    assert "reason" not in state
    assert state["model"]["version"] == 1
    assert state["model"]["versions"] == [{"version": 1, "state": "AVAILABLE", "error_code": "OK", "error_message": ""}]
    assert state["resources"]["gateway"]["memory_mb"] > 10
    assert state["log"]["lines_lost"] == 0
    assert gateway.ask("HEAD", "/healthz").status_code == 200


def test_a_gateway_starts_before_its_model_server_and_says_what_is_missing(start: Start, refusing_port: int) -> None:
    gateway = start(f"grpc://127.0.0.1:{refusing_port}", "--timeout-s=1")
    response = gateway.ask("GET", "/healthz")
    assert response.status_code == 503
    assert response.json()["status"] == "unavailable"
    assert "no connection" in response.json()["reason"]
    assert gateway.ask("GET", "/readyz").status_code == 503
    assert gateway.metrics()["gateway_model_ready"] == 0
    assert gateway.ask("GET", "/").status_code == 200


@pytest.fixture
def own_server() -> Iterator[tuple[Model, str]]:
    """A model server whose state no other gateway polls and logs."""
    model = Model()
    model.reset()
    with grpc_server(model) as url:
        yield model, url


def test_health_follows_the_model_from_loading_to_available_and_away(
    start: Start, own_server: tuple[Model, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    model, url = own_server
    model.state = "LOADING"
    gateway = start(url)
    response = gateway.ask("GET", "/healthz")
    assert response.status_code == 503
    assert "version 1 is LOADING" in response.json()["reason"]
    model.state = "AVAILABLE"
    gateway.wait_until_ready()
    assert gateway.metrics()["gateway_model_version"] == 1
    assert gateway.post("/predict", {"text": SENTENCE}).status_code == 200
    model.state = "UNLOADING"
    wait_until(lambda: gateway.ask("GET", "/healthz").status_code == 503)
    assert "gateway_model_version" not in gateway.metrics()
    assert caplog.text.count("The model is not ready") == 2
    assert caplog.text.count("Version 1 of the model is ready") == 1


def test_a_model_that_cannot_tell_its_vocabulary_is_not_ready(start: Start, scripted_url: str, model: Model) -> None:
    model.without_tokenizer = True
    gateway = start(scripted_url)
    response = gateway.ask("GET", "/healthz")
    assert response.status_code == 503
    assert "vocabulary" in response.json()["reason"]


def test_an_error_in_one_answer_does_not_make_the_gateway_unhealthy(shared: Gateway, model: Model) -> None:
    model.refusal = Refusal("broken", "INTERNAL")
    assert shared.post("/predict", {"text": SENTENCE}).status_code == 502
    assert shared.ask("GET", "/healthz").status_code == 200


KEY = "a-key-that-is-long-enough"


def test_where_keys_are_set_strangers_are_told_the_state_alone(
    start: Start, scripted_url: str, refusing_port: int, model: Model
) -> None:
    gateway = start(f"grpc://127.0.0.1:{refusing_port}", "--timeout-s=1", GATEWAY_API_KEYS=KEY)
    plain = "the model server cannot be reached; try again later"
    for headers in ({}, {"X-API-Key": "a-key-that-is-wrong"}):
        response = gateway.ask("GET", "/healthz", headers=headers)
        assert response.status_code == 503
        assert response.json() == {"status": "unavailable", "reason": plain, "model": {"version": None}}
        response = gateway.ask("GET", "/readyz", headers=headers)
        assert (response.status_code, response.json()) == (503, {"status": "not ready", "reason": plain})
    for headers in ({"X-API-Key": KEY}, {"Authorization": f"Bearer {KEY}"}):
        assert gateway.ask("GET", "/healthz", headers=headers).json()["model"]["addresses"]
        assert str(refusing_port) in gateway.ask("GET", "/readyz", headers=headers).json()["reason"]

    model.state = "LOADING"
    gateway = start(scripted_url, GATEWAY_API_KEYS=KEY)
    loading = "the model server does not serve the model yet; try again later"
    assert gateway.ask("GET", "/healthz").json()["reason"] == loading
    model.state = "AVAILABLE"
    gateway.wait_until_ready()
    assert gateway.ask("GET", "/healthz").json() == {"status": "ok", "model": {"version": 1}}
    assert gateway.ask("GET", "/readyz").json() == {"status": "ready"}
