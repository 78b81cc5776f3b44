"""Health tells whether questions can be answered, and why not."""

from tests.client.scripted import Refusal
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


def test_health_follows_the_model_from_loading_to_available_and_away(
    start: Start, scripted_url: str, model: Model
) -> None:
    model.state = "LOADING"
    gateway = start(scripted_url)
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
    _, said = gateway.stop()
    assert said.count("The model is not ready") == 2
    assert said.count("Version 1 of the model is ready") == 1


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
