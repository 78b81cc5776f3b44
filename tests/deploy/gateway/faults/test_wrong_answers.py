"""Test a version with damaged weights, whose answers are wrong."""

from pathlib import Path

from deploy.gateway.report.words import ENGLISH
from tests.deploy.gateway.conftest import SENTENCE, wait_until
from tests.deploy.gateway.consistency.test_check import damage
from tests.deploy.gateway.faults.conftest import ModelServer, Observe
from tests.deploy.gateway.faults.observed import Observed, Row


def of_version_1(observed: Observed) -> Row:
    """Return the dashboard's row of version 1; a check during a restart has a row without a version."""
    [row] = [row for row in observed.dashboard(ENGLISH.consistency) if row[ENGLISH.model_version] == "1"]
    return row


def test_wrong_answers_appear_everywhere_though_no_question_fails_until_they_are_right_again(
    observe: Observe, model_server: ModelServer, demo_version: Path
) -> None:
    right = model_server.weights.read_bytes()
    with model_server.running():
        observed = observe(model_server.url, f"--model-folder={demo_version.parent}", "--consistency-interval-s=1")
        gateway = observed.gateway
        wait_until(lambda: observed.log(module="canary", status="success"))
        assert gateway.answer("/predict", {"text": SENTENCE})["results"][0]["token"] == "都"

    damage(model_server.weights)
    with model_server.running():
        gateway.wait_until_ready()
        observed.wait_for_alert("output_drift", "firing")
        for _ in range(3):
            gateway.answer("/predict", {"text": SENTENCE})
        line = observed.log(module="canary", status="drift")[0]
        assert (line["level"], line["model_version"]) == ("WARNING", 1)
        assert line["value"] > line["threshold"] == 0.05
        assert "has moved since the export" in line["error"]
        assert (observed.metric("gateway_output_drift") or 0) > 0.05
        status, health = observed.health()
        assert (status, health["consistency"]["status"]) == (200, "drift")
        assert health["consistency"]["drift"] > health["consistency"]["threshold"]
        row = of_version_1(observed)
        assert row[ENGLISH.status] == ENGLISH.drift
        assert float(row[ENGLISH.highest_value].rstrip("%")) > 100  # of the threshold
        told = {(row[ENGLISH.event], row[ENGLISH.status]) for row in observed.dashboard(ENGLISH.events)}
        assert (ENGLISH.consistency_check, ENGLISH.drift) in told

    model_server.weights.write_bytes(right)
    with model_server.running():
        observed.wait_for_alert("output_drift", "resolved")
        assert (observed.metric("gateway_output_drift") or 0) < 0.05
        assert observed.health()[1]["consistency"]["status"] == "success"
        assert of_version_1(observed)[ENGLISH.status] == ENGLISH.success
    assert not observed.log(module="inference", status="failed")
    counts = gateway.metrics().items()
    assert not [name for name, count in counts if name.startswith("gateway_errors_total{") and count]
