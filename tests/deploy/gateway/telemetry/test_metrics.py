"""Parse the metrics with Prometheus's parsers."""

from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from deploy.gateway import paths
from deploy.gateway.api.routes import PROBLEMS
from deploy.gateway.middleware.envelope import CLIENT_CLOSED_REQUEST
from deploy.gateway.telemetry.metrics import METRICS, Metrics, table
from tests.deploy.gateway.conftest import SENTENCE, Gateway

ABSENT = {
    "gateway_gpu_memory_bytes",
    "gateway_gpu_utilization_percent",
    "gateway_stdout_lines",
    "gateway_classifier_ready",
    "gateway_classifier_version",
    "gateway_classifier_drift",
}


def test_every_metric_that_is_described_is_there_and_no_other_of_ours(gateway: Gateway) -> None:
    gateway.answer("/predict", {"text": SENTENCE})
    response = gateway.ask("GET", "/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = {family.name: family for family in read_text(response.text)}
    described = {one.name: one for one in METRICS}
    assert {name for name in families if name.startswith("gateway_")} | ABSENT == set(described) | ABSENT
    for name, one in described.items():
        if name in families:
            assert (families[name].type, families[name].documentation) == (one.kind, one.about)
    assert families["process_cpu_seconds"]


def test_openmetrics_has_exemplars_that_lead_to_a_request(gateway: Gateway) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"traceparent": f"00-{trace}-b7ad6b7169203331-01", "X-Request-Id": "exemplar-1"}
    gateway.post("/predict", {"text": SENTENCE}, headers=headers)
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    response = gateway.ask("GET", "/metrics", headers=accept)
    assert response.headers["content-type"].startswith("application/openmetrics-text")
    families = {family.name: family for family in read_openmetrics(response.text)}  # type: ignore[no-untyped-call]  # untyped there
    exemplars = [sample.exemplar for sample in families["gateway_stage_seconds"].samples if sample.exemplar]
    assert {"trace_id": trace, "request_id": "exemplar-1"} in [exemplar.labels for exemplar in exemplars]


def test_a_format_that_nobody_knows_is_answered_with_the_usual_one(gateway: Gateway) -> None:
    for accept in ("application/openmetrics-text; version=abc", "text/plain; version=x", "application/json", ";;,"):
        response = gateway.ask("GET", "/metrics", headers={"Accept": accept})
        assert response.headers["content-type"].startswith("text/plain; version=0.0.4")


def test_no_caller_can_make_new_series(gateway: Gateway) -> None:
    for path in ("/a", "/b/c", "/v1/none"):
        gateway.ask("GET", path)
    found = {name for name in gateway.metrics() if name.startswith("gateway_requests_total") and 'status="404"' in name}
    known = (paths.OTHER, paths.CLASSIFY, paths.TEXT_CLASSIFICATION)  # the last two without a classifier
    assert found == {f'gateway_requests_total{{path="{path}",status="404"}}' for path in known}


def test_known_series_start_at_0_so_that_the_first_error_counts() -> None:
    families = {family.name: family for family in read_text(Metrics().write("")[0].decode())}
    started = {name: families[name].samples for name in ("gateway_requests", "gateway_sentences", "gateway_errors")}
    assert all(sample.value == 0 for samples in started.values() for sample in samples)
    tasks = {sample.labels["task"] for sample in started["gateway_sentences"]}
    assert tasks == {sample.labels["task"] for sample in started["gateway_errors"]} == set(paths.TASKS.values())
    error_types = {sample.labels["error_type"] for sample in started["gateway_errors"]}
    assert {"UnreachableError", "InputError", "ConcurrencyLimitError", "InternalError"} <= error_types
    requests = {(sample.labels["path"], sample.labels["status"]) for sample in started["gateway_requests"]}
    documented = {str(status) for status in PROBLEMS} | {"200", CLIENT_CLOSED_REQUEST}
    assert {(path, status) for path in paths.TASKS for status in documented} <= requests
    assert {path for path, _ in requests} <= {paths.label(path) for path, _ in requests}


def test_the_documentations_table_has_every_metric() -> None:
    rows = table().splitlines()
    assert len(rows) == len(METRICS) + 2
    assert any(row.startswith("| `gateway_requests_total` (counter) | path, status |") for row in rows)
