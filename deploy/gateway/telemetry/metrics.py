"""Define the gateway's Prometheus metrics.

The documentation is generated from ``METRICS``. The cardinality of labels is bounded: tasks, statuses and stages of
this code, HTTP statuses, paths of the API, and names of the client's errors.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from deploy.gateway.telemetry import known_series

# Otherwise there is a further ``_created`` series for each, which Prometheus does not use.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library types some of its functions

Reading = Mapping[tuple[str, ...], float]
"""Values by label values."""

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SHARES = tuple(tenth / 10 for tenth in range(1, 11))
_COUNTS = (1, 2, 5, 10, 20, 50, 100, 200, 500)


@dataclass(frozen=True, slots=True)
class MetricDefinition:
    """The definition of a metric.

    Attributes:
        kind: ``counter``, ``gauge`` or ``histogram``.
        name: the metric's name; the samples of a counter are named ``…_total``.
        about: the description.
        labels: the label names.
        buckets: a histogram's upper limits.
        is_read: whether the value is read from another component at each scrape.
    """

    kind: str
    name: str
    about: str
    labels: tuple[str, ...] = ()
    buckets: Sequence[float] = ()
    is_read: bool = False


METRICS = (
    MetricDefinition(
        "gauge",
        "gateway_build_info",
        "1; the gateway's version, the model, and engine and precision as the latest check found them, else unknown",
        ("version", "model", "engine", "precision"),
        is_read=True,
    ),
    MetricDefinition("counter", "gateway_requests", "HTTP requests answered, by path and status", ("path", "status")),
    MetricDefinition(
        "counter", "gateway_sentences", "sentences answered or failed, by task and outcome", ("task", "status")
    ),
    MetricDefinition(
        "counter",
        "gateway_errors",
        "sentences that failed, by task and error type; a request rejected with 429 counts as one",
        ("task", "error_type"),
    ),
    MetricDefinition(
        "histogram",
        "gateway_stage_seconds",
        "time of answered questions: queue, tokenization, model server (inference), total",
        ("task", "stage"),
        _SECONDS,
    ),
    MetricDefinition("histogram", "gateway_batch_size", "sentences of a request", ("task",), _COUNTS),
    MetricDefinition("histogram", "gateway_confidence", "score of the best answer to a sentence", ("task",), _SHARES),
    MetricDefinition("gauge", "gateway_in_flight", "questions being answered", is_read=True),
    MetricDefinition("gauge", "gateway_queue", "questions waiting for a slot", is_read=True),
    MetricDefinition("gauge", "gateway_model_ready", "1 if the model server can answer, else 0", is_read=True),
    MetricDefinition("gauge", "gateway_model_version", "newest available version, absent without one", is_read=True),
    MetricDefinition(
        "gauge", "gateway_classifier_ready", "1 if the classifier can answer, else 0; absent without one", is_read=True
    ),
    MetricDefinition(
        "gauge",
        "gateway_classifier_version",
        "newest available version of the classifier, absent without one",
        is_read=True,
    ),
    MetricDefinition(
        "counter", "gateway_log_lines", "lines of the request log: written or lost", ("outcome",), is_read=True
    ),
    MetricDefinition(
        "counter",
        "gateway_stdout_lines",
        "lines on standard output: written or lost; absent without GATEWAY_LOG_STDOUT=json",
        ("outcome",),
        is_read=True,
    ),
    MetricDefinition("gauge", "gateway_log_waiting_bytes", "size of the queued lines of the request log", is_read=True),
    MetricDefinition(
        "gauge",
        "gateway_output_drift",
        "share of probability moved since the export in the answers to the golden prompts; absent without a check",
        is_read=True,
    ),
    MetricDefinition(
        "gauge",
        "gateway_classifier_drift",
        "the same for the classifier's golden texts; absent without a check",
        is_read=True,
    ),
    MetricDefinition("counter", "gateway_consistency_checks", "checks of the answers to golden prompts", ("status",)),
    MetricDefinition("gauge", "gateway_alert_firing", "1 while the alert fires, else 0", ("alert",), is_read=True),
    MetricDefinition("counter", "gateway_alerts", "number of times the alert has begun", ("alert",), is_read=True),
    MetricDefinition(
        "counter",
        "gateway_webhook_deliveries",
        "notices to the webhook: delivered, refused, expired or dropped, and failed attempts to be retried",
        ("outcome",),
        is_read=True,
    ),
    MetricDefinition(
        "gauge", "gateway_cpu_percent", "percent of one core, gateway and model server", ("process",), is_read=True
    ),
    MetricDefinition(
        "gauge", "gateway_memory_bytes", "resident memory, gateway and model server", ("process",), is_read=True
    ),
    MetricDefinition("gauge", "gateway_gpu_memory_bytes", "GPU memory in use, absent without a GPU", is_read=True),
    MetricDefinition("gauge", "gateway_gpu_utilization_percent", "GPU utilization, absent without a GPU", is_read=True),
)
"""The metrics besides ``process_*`` (CPU, memory, open files of the gateway) and ``python_info``."""


class Metrics:
    """The metrics of a gateway in their own registry."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        made = {one.name: _make(one, self._registry) for one in METRICS if not one.is_read}
        # labels() checks its arguments and takes a lock at each call; there are few combinations.
        self.requests: Callable[[str, str], Counter] = cache(made["gateway_requests"].labels)
        self.sentences: Callable[[str, str], Counter] = cache(made["gateway_sentences"].labels)
        self.errors: Callable[[str, str], Counter] = cache(made["gateway_errors"].labels)
        self.stage: Callable[[str, str], Histogram] = cache(made["gateway_stage_seconds"].labels)
        self.batch_size: Callable[[str], Histogram] = cache(made["gateway_batch_size"].labels)
        self.confidence: Callable[[str], Histogram] = cache(made["gateway_confidence"].labels)
        self.consistency_checks: Callable[[str], Counter] = cache(made["gateway_consistency_checks"].labels)
        self._start_at_0()
        self._readings = _Readings()
        self._registry.register(self._readings)
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)

    def _start_at_0(self) -> None:
        for pair in known_series.requests():
            self.requests(*pair)
        for pair in known_series.sentences():
            self.sentences(*pair)
        for pair in known_series.errors():
            self.errors(*pair)
        for status in known_series.checks():
            self.consistency_checks(status)

    def read(self, name: str, read: Callable[[], Reading]) -> None:
        """Register the function for a metric's scrapes."""
        self._readings.sources[name] = read

    def write(self, accept: str) -> tuple[bytes, str]:
        """Return all metrics and their content type.

        The Accept header selects the format. Only OpenMetrics has exemplars:
        https://prometheus.io/docs/specs/om/open_metrics_spec/.
        """
        try:
            encode, content_type = choose_encoder(accept)
        except (TypeError, ValueError):  # the library fails for an invalid version
            encode, content_type = choose_encoder("")
        return encode(self._registry), content_type


class _Readings(Collector):
    """The metrics read from other components."""

    def __init__(self) -> None:
        self.sources: dict[str, Callable[[], Reading]] = {}

    def describe(self) -> Sequence[Metric]:
        """Return no metrics.

        Their names could only be found by reading the values too early.
        """
        return ()

    def collect(self) -> Iterator[Metric]:
        """Read the values."""
        for one in METRICS:
            if one.name in self.sources:
                kind = CounterMetricFamily if one.kind == "counter" else GaugeMetricFamily
                family = kind(one.name, one.about, labels=one.labels)
                for labels, value in self.sources[one.name]().items():
                    family.add_metric(labels, value)
                yield family


def table() -> str:
    """Return the metrics as a Markdown table."""
    rows = ["| metric | labels | description |", "|---|---|---|"]
    for one in METRICS:
        name = f"{one.name}_total" if one.kind == "counter" else one.name
        rows.append(f"| `{name}` ({one.kind}) | {', '.join(one.labels)} | {one.about} |")
    return "\n".join(rows)


def _make(one: MetricDefinition, registry: CollectorRegistry) -> Any:
    if one.kind == "counter":
        return Counter(one.name, one.about, one.labels, registry=registry)
    return Histogram(one.name, one.about, one.labels, registry=registry, buckets=one.buckets)
