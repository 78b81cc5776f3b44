"""The load and the replicas that `make verify-kubernetes` expects."""

import re

import pytest
from ruamel.yaml import YAML

from loadtest.kubernetes.autoscaling import CONCURRENCY, desired
from loadtest.kubernetes.gateway_load import parse
from loadtest.kubernetes.metrics_api import METRICS
from tests.support.kustomize import FOLDER, Object, find

METRICS_TEXT = """# HELP gateway_queue questions waiting for a slot
# TYPE gateway_queue gauge
gateway_queue 32
gateway_in_flight 6.4e1
gateway_errors_total{error_type="InputError"} 5
"""


def scaler() -> Object:
    spec: Object = find("overlays/production", "HorizontalPodAutoscaler", "gateway")["spec"]
    return spec


def test_the_autoscaler_reads_the_metrics_of_the_api_and_the_adapter() -> None:
    names = {one["pods"]["metric"]["name"] for one in scaler()["metrics"]}
    assert names == {*METRICS}
    rules = YAML(typ="safe").load(FOLDER / "components/metrics/adapter-values.yaml")["rules"]
    (pattern,) = re.findall(r'__name__=~"([^"]+)"', rules["custom"][0]["seriesQuery"])
    assert all(re.fullmatch(pattern, name) for name in names)


def test_the_gateway_under_load_has_the_concurrency_of_the_deployment() -> None:
    lines = (FOLDER / "base/gateway.env").read_text("utf-8").splitlines()
    assert f"GATEWAY_MAX_CONCURRENCY={CONCURRENCY}" in lines


@pytest.mark.parametrize(
    ("connections", "replicas"), [(0, 2), (CONCURRENCY, 2), (CONCURRENCY + 17, 3), (96, 4), (128, 8), (320, 8)]
)
def test_the_metric_that_asks_for_more_replicas_decides(connections: int, replicas: int) -> None:
    targets = {
        one["pods"]["metric"]["name"]: float(one["pods"]["target"]["averageValue"]) for one in scaler()["metrics"]
    }
    assert desired(connections, targets, (scaler()["minReplicas"], scaler()["maxReplicas"])) == replicas


def test_gauges_are_the_values_without_labels() -> None:
    assert parse(METRICS_TEXT) == {"gateway_queue": 32.0, "gateway_in_flight": 64.0}
