"""Test a kill and a restart of the model server under load."""

from collections import Counter
from collections.abc import Sequence

import httpx2

from deploy.gateway.report.words import ENGLISH
from tests.deploy.gateway.conftest import SENTENCE, wait_until
from tests.deploy.gateway.faults.conftest import ModelServer, Observe
from tests.deploy.gateway.faults.observed import questions

TASK = "mask_prediction"


def failures_by_type(answers: Sequence[httpx2.Response]) -> Counter[str]:
    return Counter(answer.json()["error_type"] for answer in answers if answer.status_code != 200)


def test_a_model_server_that_is_killed_appears_everywhere_until_it_is_back(
    observe: Observe, model_server: ModelServer
) -> None:
    with model_server.running() as process:
        observed = observe(model_server.url, "--alert-errors=5", "--alert-not-ready-s=0.5", "--timeout-s=5")
        gateway = observed.gateway
        with questions(gateway) as answers:
            wait_until(lambda: answers)
            process.kill()
            wait_until(lambda: failures_by_type(answers)["UnreachableError"] >= 5)
    failures = [answer for answer in answers if answer.status_code != 200]
    error_types = failures_by_type(answers)
    assert {answer.status_code for answer in failures} <= {502, 503, 504}

    observed.wait_for_alert("consecutive_errors", "firing")
    observed.wait_for_alert("model_not_ready", "firing")
    lines = gateway.wait_for_lines(len(failures), module="inference", status="failed")
    assert {line["level"] for line in lines} == {"ERROR"}
    assert Counter(line["error_type"] for line in lines) == error_types  # each failure has a line, with its reason
    assert all(line["error"] for line in lines)
    assert len(observed.log(module="inference", status="success")) == len(answers) - len(failures)
    for error_type, count in error_types.items():
        assert observed.metric(f'gateway_errors_total{{error_type="{error_type}",task="{TASK}"}}') == count
    assert observed.metric("gateway_model_ready") == 0
    assert observed.metric("gateway_model_version") is None
    status, health = observed.health()
    assert (status, health["status"], health["model"]["version"]) == (503, "unavailable", None)
    assert str(model_server.grpc_port) in health["reason"]
    readiness = gateway.ask("GET", "/readyz")
    assert (readiness.status_code, readiness.json()["status"]) == (503, "not ready")
    shown = {row[ENGLISH.error_type]: row[ENGLISH.count] for row in observed.dashboard(ENGLISH.errors)}
    assert shown == {error_type: str(count) for error_type, count in error_types.items()}

    with model_server.running():
        gateway.wait_until_ready()
        gateway.answer("/predict", {"text": SENTENCE})
        observed.wait_for_alert("consecutive_errors", "resolved")
        observed.wait_for_alert("model_not_ready", "resolved")
        status, health = observed.health()
        assert (status, health["status"], health["model"]["version"]) == (200, "ok", 1)
        assert observed.metric("gateway_model_ready") == 1
        assert len(observed.log(module="inference", status="failed")) == len(failures)
