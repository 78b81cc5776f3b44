"""What the gateway counts and times, for Prometheus: ``METRICS``, from which the documentation is made, too.

Labels take few values: tasks, statuses and stages of this code, HTTP statuses, the addresses of the API, and the names
of the client's errors.
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

# A further series for each, of which Prometheus makes nothing.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library types some of its functions

Reading = Mapping[tuple[str, ...], float]
"""Values by the values of the labels."""

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SHARES = tuple(tenth / 10 for tenth in range(1, 11))
_COUNTS = (1, 2, 5, 10, 20, 50, 100, 200, 500)


@dataclass(frozen=True, slots=True)
class Described:
    """One metric.

    Attributes:
        kind: ``counter``, ``gauge`` or ``histogram``.
        name: as Prometheus has it; a counter's samples are called ``…_total``.
        about: what it says.
        labels: its labels' names.
        buckets: a histogram's upper limits.
        is_read: whether another part keeps the value, which is asked for it when Prometheus comes.
    """

    kind: str
    name: str
    about: str
    labels: tuple[str, ...] = ()
    buckets: Sequence[float] = ()
    is_read: bool = False


METRICS = (
    Described("counter", "gateway_requests", "HTTP requests answered, by address and status", ("path", "status")),
    Described("counter", "gateway_sentences", "sentences answered or failed, by task and outcome", ("task", "status")),
    Described(
        "counter",
        "gateway_errors",
        "sentences that failed, by task and kind of error; a request that is refused with 429 counts as one",
        ("task", "error_type"),
    ),
    Described(
        "histogram",
        "gateway_stage_seconds",
        "time of answered questions: waiting for a slot (queue), tokenization, the model server, all (total)",
        ("task", "stage"),
        _SECONDS,
    ),
    Described("histogram", "gateway_batch_size", "sentences of a request", ("task",), _COUNTS),
    Described("histogram", "gateway_confidence", "score of the best answer to a sentence", ("task",), _SHARES),
    Described("gauge", "gateway_in_flight", "questions being answered", is_read=True),
    Described("gauge", "gateway_queue", "questions waiting for a slot", is_read=True),
    Described("gauge", "gateway_model_ready", "1 if the model server can answer, else 0", is_read=True),
    Described("gauge", "gateway_model_version", "newest version that can be asked, absent without one", is_read=True),
    Described("counter", "gateway_log_lines", "lines of the request log: written or lost", ("outcome",), is_read=True),
    Described("gauge", "gateway_log_waiting_bytes", "lines of the request log that wait for the disk", is_read=True),
    Described(
        "gauge",
        "gateway_output_drift",
        "share of probability that has moved since the export, in the golden prompts' answers; absent without a check",
        is_read=True,
    ),
    Described("counter", "gateway_consistency_checks", "checks of the answers to golden prompts", ("status",)),
    Described("gauge", "gateway_alert_firing", "1 while the alert fires, else 0", ("alert",), is_read=True),
    Described("counter", "gateway_alerts", "how often the alert has begun", ("alert",), is_read=True),
    Described(
        "counter",
        "gateway_webhook_deliveries",
        "alerts sent to the webhook: delivered, refused, expired or dropped, and attempts to be retried",
        ("outcome",),
        is_read=True,
    ),
    Described(
        "gauge", "gateway_cpu_percent", "share of one core, gateway and model server", ("process",), is_read=True
    ),
    Described("gauge", "gateway_memory_bytes", "resident memory, gateway and model server", ("process",), is_read=True),
    Described("gauge", "gateway_gpu_memory_bytes", "GPU memory in use, absent without a GPU", is_read=True),
    Described("gauge", "gateway_gpu_utilization_percent", "how busy the GPU is, absent without one", is_read=True),
)
"""Beside them come ``process_*`` (CPU, memory, open files of the gateway) and ``python_info``."""


class Metrics:
    """One gateway's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        made = {one.name: _make(one, self._registry) for one in METRICS if not one.is_read}
        # labels() checks its arguments and takes a lock each time; the combinations are few.
        self.requests: Callable[[str, str], Counter] = cache(made["gateway_requests"].labels)
        self.sentences: Callable[[str, str], Counter] = cache(made["gateway_sentences"].labels)
        self.errors: Callable[[str, str], Counter] = cache(made["gateway_errors"].labels)
        self.stage: Callable[[str, str], Histogram] = cache(made["gateway_stage_seconds"].labels)
        self.batch_size: Callable[[str], Histogram] = cache(made["gateway_batch_size"].labels)
        self.confidence: Callable[[str], Histogram] = cache(made["gateway_confidence"].labels)
        self.consistency_checks: Callable[[str], Counter] = cache(made["gateway_consistency_checks"].labels)
        self._readings = _Readings()
        self._registry.register(self._readings)
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)

    def read(self, name: str, read: Callable[[], Reading]) -> None:
        """Let a metric ask for its values when Prometheus comes."""
        self._readings.sources[name] = read

    def write(self, accept: str) -> tuple[bytes, str]:
        """Return all metrics in the format that the Accept header asks for, and its content type.

        Exemplars are in OpenMetrics alone: https://prometheus.io/docs/specs/om/open_metrics_spec/.
        """
        try:
            encode, content_type = choose_encoder(accept)
        except (TypeError, ValueError):  # the library fails for a version that is none
            encode, content_type = choose_encoder("")
        return encode(self._registry), content_type


class _Readings(Collector):
    """The metrics whose values another part keeps."""

    def __init__(self) -> None:
        self.sources: dict[str, Callable[[], Reading]] = {}

    def describe(self) -> Sequence[Metric]:
        """Return nothing: asking for names would read values before there are any."""
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
    """Return the metrics as a table for the documentation."""
    rows = ["| metric | labels | says |", "|---|---|---|"]
    for one in METRICS:
        name = f"{one.name}_total" if one.kind == "counter" else one.name
        rows.append(f"| `{name}` ({one.kind}) | {', '.join(one.labels)} | {one.about} |")
    return "\n".join(rows)


def _make(one: Described, registry: CollectorRegistry) -> Any:
    if one.kind == "counter":
        return Counter(one.name, one.about, one.labels, registry=registry)
    return Histogram(one.name, one.about, one.labels, registry=registry, buckets=one.buckets)
