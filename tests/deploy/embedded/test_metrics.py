"""Parse the metrics with Prometheus's client library."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import grpc
import pytest
import tensorflow as tf
from prometheus_client.parser import text_string_to_metric_families
from tensorflow_serving.apis import (
    get_model_status_pb2,
    inference_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_log_pb2,
    regression_pb2,
)
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

from deploy.embedded import metrics
from deploy.embedded.metrics import Counter, Histogram
from tests.deploy.embedded.half_plus_two import REGRESS, save_half_plus_two

PATH = "/monitoring/prometheus/metrics"
PREFIX = ":tensorflow:serving:"
Samples = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Isolate the metrics of a test."""
    monkeypatch.setattr(metrics, "_metrics", dict(metrics._metrics))


@pytest.fixture(scope="module")
def monitored(models: Path, tmp_path_factory: pytest.TempPathFactory, serve: Callable[..., Any]) -> Iterator[Any]:
    """Serve half, stock (with a signature of each method) and warm (with two warmup records)."""
    base = tmp_path_factory.mktemp("monitored")
    save_half_plus_two(base / "stock" / "1")
    add_warmups(shutil.copytree(models / "half" / "1", base / "warm" / "1"))
    entries = "\n".join(
        f'config {{ name: "{folder.name}" base_path: "{folder}" model_platform: "tensorflow" }}'
        for folder in (models / "half", base / "stock", base / "warm")
    )
    (base / "models.config").write_text(f"model_config_list {{ {entries} }}")
    monitoring = base / "monitoring.config"
    monitoring.write_text("prometheus_config { enable: true }")
    with serve(f"--model_config_file={base / 'models.config'}", f"--monitoring_config_file={monitoring}") as it:
        for name in ("half", "stock", "warm"):
            it.wait_for(name)
        yield it


def add_warmups(version: Path) -> None:
    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.CopyFrom(predict_request("half"))
    (version / "assets.extra").mkdir()
    with tf.io.TFRecordWriter(str(version / "assets.extra" / "tf_serving_warmup_requests")) as writer:
        writer.write(log.SerializeToString())
        writer.write(log.SerializeToString())


def parse(text: str) -> tuple[dict[str, str], Samples]:
    """Return the types of the metrics and the values of their samples."""
    types: dict[str, str] = {}
    samples = {}
    for family in text_string_to_metric_families(text):
        types[family.name] = family.type
        for sample in family.samples:
            # The parser adds OpenMetrics' suffix to every counter.
            name = sample.name if sample.name in text else sample.name.removesuffix("_total")
            samples[name, frozenset(sample.labels.items())] = sample.value
    return types, samples


def scrape(server: Any) -> Samples:
    answer = server.ask("GET", PATH)
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return parse(answer.body.decode())[1]


def grown(before: Samples, after: Samples, name: str, **labels: str) -> float:
    key = name, frozenset(labels.items())
    return after.get(key, 0) - before.get(key, 0)


def predict_request(name: str) -> Any:
    message = predict_pb2.PredictRequest(model_spec={"name": name})
    message.inputs["x"].CopyFrom(tf.make_tensor_proto([[1.0]]))
    return message


def test_requests_of_both_apis_are_counted_and_timed(monitored: Any) -> None:
    before = scrape(monitored)
    assert monitored.predict("half", {"instances": [1.0]}).status == 200
    assert monitored.predict("half", {"instances": [1.0]}).status == 200
    assert monitored.predict("half", {"instances": ["a"]}).status == 400
    assert monitored.predict("none", {"instances": [1.0]}).status == 404
    assert monitored.ask("GET", "/v1/models/half").status == 200
    assert monitored.ask("GET", "/v1/nothing").status == 400
    with monitored.channel() as channel:
        stub = PredictionServiceStub(channel)
        stub.Predict(predict_request("half"))
        with pytest.raises(grpc.RpcError):
            stub.Predict(predict_request("none"))
        status = model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus
        status(get_model_status_pb2.GetModelStatusRequest(model_spec={"name": "half"}))  # not counted
    after = scrape(monitored)

    count = PREFIX + "request_count"
    assert grown(before, after, count, model_name="half", status="OK") == 4  # both APIs, and the status by GET
    assert grown(before, after, count, model_name="half", status="INVALID_ARGUMENT") == 1
    assert grown(before, after, count, model_name="none", status="NOT_FOUND") == 2
    assert grown(before, after, count, model_name="", status="INVALID_ARGUMENT") == 1
    latency = PREFIX + "request_latency"
    for api, entrypoint, expected in (("predict", "REST", 2), ("", "REST", 1), ("Predict", "GRPC", 1)):
        labels = {"model_name": "half", "API": api, "entrypoint": entrypoint}
        assert grown(before, after, latency + "_count", **labels) == expected
        assert grown(before, after, latency + "_bucket", **labels, le="+Inf") == expected
        assert 1 < grown(before, after, latency + "_sum", **labels) < 60e6
    assert grown(before, after, PREFIX + "runtime_latency_count", model_name="half", API="Predict", runtime="TF1") == 3


def test_only_multi_inference_counts_examples(monitored: Any) -> None:
    example = tf.train.Example()
    example.features.feature["x"].float_list.value.append(2.0)
    spec = {"name": "stock", "signature_name": "regress_x_to_y"}
    given = {"example_list": {"examples": [example] * 3}}
    with monitored.channel() as channel:
        stub = PredictionServiceStub(channel)
        stub.Regress(regression_pb2.RegressionRequest(model_spec=spec, input=given))
        body = '{"signature_name": "regress_x_to_y", "examples": [{"x": 2.0}]}'
        assert monitored.ask("POST", "/v1/models/stock:regress", body).status == 200
        assert not any("example_count" in name for name, _ in scrape(monitored))
        tasks = [{"model_spec": spec, "method_name": REGRESS}]
        stub.MultiInference(inference_pb2.MultiInferenceRequest(tasks=tasks, input=given))
    samples = scrape(monitored)
    assert samples[PREFIX + "request_example_count_total", frozenset({("model", "stock")})] == 3
    assert samples[PREFIX + "request_example_counts_count", frozenset({("model", "stock")})] == 1


def test_what_the_process_uses_is_told(monitored: Any) -> None:
    samples = scrape(monitored)
    assert samples["process_cpu_seconds_total", frozenset()] > 0.1
    assert samples["process_resident_memory_bytes", frozenset()] > 50e6


def test_types_and_buckets_are_tensorflow_servings(monitored: Any) -> None:
    monitored.predict("half", {"instances": [1.0]})
    text = monitored.ask("GET", PATH).body.decode()
    types, samples = parse(text)
    assert types[PREFIX + "request_count"] == "counter"
    assert types[PREFIX + "request_latency"] == types[PREFIX + "runtime_latency"] == "histogram"
    labels = {("model_name", "half"), ("API", "predict"), ("entrypoint", "REST")}
    limits = [dict(key)["le"] for name, key in samples if name.endswith("request_latency_bucket") and labels <= key]
    assert limits[:4] == ["10", "18", "32.4", "58.32"]
    assert len(limits) == 34
    assert limits[-1] == "+Inf"


def test_without_a_monitoring_config_there_are_no_metrics(server: Any) -> None:
    assert server.ask("GET", PATH).status == 404


@pytest.mark.parametrize(("config", "path"), [("enable: true path: '/here'", "/here"), ("enable: false", None)])
def test_the_config_says_where_the_metrics_are(
    start: Callable[..., Any], light: tuple[str, ...], tmp_path: Path, config: str, path: str | None
) -> None:
    file = tmp_path / "monitoring.config"
    file.write_text(f"prometheus_config {{ {config} }}")
    server = start(*light, f"--monitoring_config_file={file}")
    server.wait_for("light")
    assert server.ask("GET", PATH).status == 404
    if path:
        assert b"request_count" in server.ask("GET", path).body


def test_warmups_are_timed(monitored: Any) -> None:
    samples = scrape(monitored)
    found = {dict(labels)["model_path"] for name, labels in samples if name == PREFIX + "model_warmup_records_read"}
    [folder] = found  # the only model with such records
    assert folder.endswith("/warm/1")
    labels = frozenset({("model_path", folder), ("status", "OK")})
    assert samples[PREFIX + "model_warmup_latency_count", labels] == 1
    assert samples[PREFIX + "model_warmup_records_read", frozenset({("model_path", folder)})] == 2


def test_a_histogram_counts_a_value_under_each_limit_above_it_as_tensorflow_does() -> None:
    histogram = Histogram("sizes", ("model",), (1, 2, 4))
    for value in (0, 1, 2, 3, 100):
        histogram.observe(value, "m")
    _, samples = parse(metrics.write().decode())
    counts = {limit: samples["sizes_bucket", frozenset({("model", "m"), ("le", limit)})] for limit in ("1", "2", "4")}
    assert counts == {"1": 1, "2": 2, "4": 4}
    assert samples["sizes_sum", frozenset({("model", "m")})] == 106
    assert samples["sizes_count", frozenset({("model", "m")})] == 5


@pytest.mark.parametrize("value", ['"', "\\", "a\nb", "天", '\\"\\n'])
def test_label_values_may_be_anything(value: str) -> None:
    Counter("things", ("name",)).add(value, amount=3)
    assert parse(metrics.write().decode())[1]["things", frozenset({("name", value)})] == 3


def test_a_metric_without_labels_and_one_without_values_are_written() -> None:
    Counter("plain").add()
    Counter("unused", ("name",))
    types, samples = parse(metrics.write().decode())
    assert samples["plain", frozenset()] == 1
    assert types["unused"] == "counter"


def test_clients_cannot_make_a_metric_grow_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "MAX_COMBINATIONS", 2)
    counter, histogram = Counter("names", ("name",)), Histogram("times", ("name",), (1,))
    for name in ("a", "b", "c", "a"):
        counter.add(name)
        histogram.observe(0.5, name)
    lines = metrics.write().decode().splitlines()
    assert [line for line in lines if line.startswith("names")] == ['names{name="a"} 2', 'names{name="b"} 1']
    assert [line for line in lines if line.startswith("times_count")] == [
        'times_count{name="a"} 2',
        'times_count{name="b"} 1',
    ]
