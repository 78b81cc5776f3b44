"""Counters and histograms in Prometheus's text format 0.0.4.

Names, types, labels and buckets are TensorFlow Serving's (servables/tensorflow/util.cc and the like), so that
dashboards made for it fit: names begin with a colon, latencies are in microseconds, and a counter's name has no
``_total``, which prometheus_client would append. Create a metric once, at the top of a module; ``write`` includes it
from then on.
"""

import itertools
import os
import threading
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

DEFAULT_PATH = "/monitoring/prometheus/metrics"
CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"

MAX_COMBINATIONS = 10_000
"""Label combinations that a metric keeps; clients choose the model name, so the number must be bounded."""


class Metric(Protocol):
    """A metric that ``write`` can print."""

    name: str

    def lines(self) -> Iterator[str]:
        """Yield the TYPE line and the samples."""


_metrics: dict[str, Metric] = {}


def write() -> bytes:
    """Return all metrics and the process's resource use as text."""
    lines = itertools.chain.from_iterable(_metrics[name].lines() for name in sorted(_metrics))
    return "".join(f"{line}\n" for line in itertools.chain(lines, _process_lines())).encode()


class Counter:
    """A counter with labels."""

    def __init__(self, name: str, labels: Sequence[str] = ()) -> None:
        self.name = name
        self._labels = tuple(labels)
        self._lock = threading.Lock()
        self._values: dict[tuple[str, ...], int] = {}
        _metrics[name] = self

    def add(self, *label_values: str, amount: int = 1) -> None:
        """Increment the counter.

        The label values are in the order of the label names.
        """
        with self._lock:
            value = self._values.get(label_values)
            if value is not None or len(self._values) < MAX_COMBINATIONS:
                self._values[label_values] = (value or 0) + amount

    def lines(self) -> Iterator[str]:
        """Yield the TYPE line and the samples."""
        yield f"# TYPE {self.name} counter"
        with self._lock:
            values = dict(self._values)
        for label_values, value in values.items():
            yield f"{self.name}{{{_format_labels(self._labels, label_values)}}} {value}"


class Histogram:
    """A histogram with labels."""

    def __init__(self, name: str, labels: Sequence[str], buckets: Sequence[float]) -> None:
        """Register the histogram.

        Args:
            name: the metric's name.
            labels: the names of its labels.
            buckets: the upper limits in ascending order, without +Inf.
        """
        self.name = name
        self._labels = tuple(labels)
        self._limits = tuple(buckets)
        self._lock = threading.Lock()
        self._cells: dict[tuple[str, ...], _Cell] = {}
        _metrics[name] = self

    def observe(self, value: float, *label_values: str) -> None:
        """Observe a value.

        The label values are in the order of the label names.

        A value equal to a limit is counted above it, as in TensorFlow (core/lib/histogram/histogram.cc).
        """
        bucket = bisect_right(self._limits, value)
        with self._lock:
            cell = self._cells.get(label_values)
            if cell is None:
                if len(self._cells) >= MAX_COMBINATIONS:
                    return
                cell = self._cells[label_values] = _Cell(len(self._limits) + 1)
            cell.counts[bucket] += 1
            cell.sum += value

    def lines(self) -> Iterator[str]:
        """Yield the TYPE line and the samples."""
        yield f"# TYPE {self.name} histogram"
        with self._lock:
            cells = {values: (tuple(cell.counts), cell.sum) for values, cell in self._cells.items()}
        limits = [f"{limit:g}" for limit in self._limits] + ["+Inf"]
        for label_values, (counts, total) in cells.items():
            labels = _format_labels(self._labels, label_values)
            prefix = f"{labels}," if labels else ""
            for limit, count in zip(limits, itertools.accumulate(counts), strict=True):
                yield f'{self.name}_bucket{{{prefix}le="{limit}"}} {count}'
            yield f"{self.name}_sum{{{labels}}} {total}"
            yield f"{self.name}_count{{{labels}}} {sum(counts)}"


class _Cell:
    __slots__ = ("counts", "sum")

    def __init__(self, buckets: int) -> None:
        self.counts = [0] * buckets
        self.sum: float = 0


def exponential(first: float, factor: float, count: int) -> tuple[float, ...]:
    """Return exponential bucket limits."""
    return tuple(first * factor**index for index in range(count))


LATENCY_US = exponential(10, 1.8, 33)
"""TensorFlow Serving's latency buckets, from 10 microseconds to about 25 minutes."""

REQUEST_COUNT = Counter(":tensorflow:serving:request_count", ("model_name", "status"))
REQUEST_LATENCY = Histogram(":tensorflow:serving:request_latency", ("model_name", "API", "entrypoint"), LATENCY_US)
RUNTIME_LATENCY = Histogram(":tensorflow:serving:runtime_latency", ("model_name", "API", "runtime"), LATENCY_US)
EXAMPLE_COUNTS = Histogram(":tensorflow:serving:request_example_counts", ("model",), exponential(1, 2, 15))
EXAMPLE_COUNT_TOTAL = Counter(":tensorflow:serving:request_example_count_total", ("model",))
WARMUP_LATENCY = Histogram(":tensorflow:serving:model_warmup_latency", ("model_path", "status"), LATENCY_US)
WARMUP_RECORDS_READ = Counter(":tensorflow:serving:model_warmup_records_read", ("model_path",))


def _format_labels(names: Sequence[str], values: Sequence[str]) -> str:
    return ",".join(f'{name}="{_escape(value)}"' for name, value in zip(names, values, strict=True))


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _process_lines() -> Iterator[str]:
    """Yield CPU time and memory under Prometheus clients' names."""
    times = os.times()
    yield "# TYPE process_cpu_seconds_total counter"
    yield f"process_cpu_seconds_total {times.user + times.system}"
    statm = Path("/proc/self/statm")
    if statm.exists():  # Linux only; elsewhere the metric is left out
        pages = int(statm.read_text().split()[1])
        yield "# TYPE process_resident_memory_bytes gauge"
        yield f"process_resident_memory_bytes {pages * os.sysconf('SC_PAGE_SIZE')}"
