"""Define the figures of a report."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Source:
    """The lines and files read.

    Attributes:
        files: files that may contain lines of the range.
        lines: lines of the range.
        unreadable_lines: lines of these files, in or out of the range, that are not JSON objects with a timestamp.
        lost_lines: lines that the gateway has reported as lost; they are not in the figures.
    """

    files: int
    lines: int
    unreadable_lines: int
    lost_lines: int


@dataclass(frozen=True, slots=True)
class Totals:
    """The totals of the range, with sampled lines scaled up.

    Explanations are counted apart, as the workbench requests one after each answer.

    Attributes:
        requests: the requests without explanations; a line counts as 1 / ``batch_size``.
        sentences: their inference lines.
        success_share: the share of sentences answered with confidence; the three shares add up to 1.
        low_confidence_share: the share answered below the threshold.
        failed_share: the share not answered.
        busiest_minute: the minute with most requests.
        busiest_minute_requests: their number.
        drift_events: lines of the consistency check with status ``drift``.
        alert_events: alerts that began to fire.
        explanations: the requests for explanations.
        characters: the characters that proofreading checked.
    """

    requests: float
    sentences: float
    success_share: float | None
    low_confidence_share: float | None
    failed_share: float | None
    busiest_minute: datetime | None
    busiest_minute_requests: float
    drift_events: int
    alert_events: int
    explanations: float
    characters: float


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures that two ranges are compared by.

    Attributes:
        requests: as in `Totals`.
        p95_ms: the latency of all tasks but explanations.
        failed_share: as in `Totals`.
        drift_percent: the highest drift in percent of its threshold.
    """

    requests: float
    p95_ms: float | None
    failed_share: float | None
    drift_percent: float | None


@dataclass(frozen=True, slots=True)
class ResourceUsage:
    """The mean and maximum resource use of a process."""

    start: datetime
    process: str
    cpu_percent: float | None
    cpu_percent_max: float | None
    memory_mb: float | None
    memory_mb_max: float | None
    gpu_memory_mb: float | None
    gpu_utilization_percent: float | None


@dataclass(frozen=True, slots=True)
class Latency:
    """The latency of answered sentences.

    Percentiles interpolate linearly between the two nearest values (DuckDB's quantile_cont, NumPy's default). Sampled
    lines are scaled up. Failed sentences are excluded.

    Attributes:
        start: the bucket; None is the whole range.
        task: the task; None is all tasks but explanations, as in `Totals`.
        lines: the number of lines.
        inference_mean_ms: the mean time in the model server.
    """

    start: datetime | None
    task: str | None
    lines: int
    mean_ms: float
    inference_mean_ms: float | None
    p50_ms: float
    p95_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class ErrorType:
    """An error type.

    A failed batch counts once.
    """

    error_type: str
    count: float
    share: float
    last_seen: datetime
    example: str | None


@dataclass(frozen=True, slots=True)
class RefusedRequests:
    """Requests refused with the same error type and status.

    Their question was not asked, and they are not part of the other figures. A question rejected for overload (429) is
    a failed one instead.
    """

    error_type: str
    status_code: int | None
    count: float
    last_seen: datetime
    example: str | None


@dataclass(frozen=True, slots=True)
class Calls:
    """The requests of a bucket or day by outcome.

    Attributes:
        outcome: success, low_confidence or failed.
    """

    start: datetime
    task: str
    outcome: str
    requests: float
    sentences: float


@dataclass(frozen=True, slots=True)
class Alert:
    """The counts and the latest state of an alert."""

    name: str
    fired: int
    resolved: int
    last_seen: datetime
    last_status: str
    last_value: float | None
    threshold: float | None


@dataclass(frozen=True, slots=True)
class Consistency:
    """The consistency checks of a version.

    Attributes:
        model_name: the model; None if unknown.
        model_version: the version; None if unknown.
        checks: the number of checks.
        drifted: those with drift above the threshold.
        failed: those without an answer.
        last_value: the latest drift.
    """

    model_name: str | None
    model_version: int | None
    checks: int
    drifted: int
    failed: int
    last_seen: datetime
    last_status: str
    last_value: float | None
    highest_value: float | None
    threshold: float | None


@dataclass(frozen=True, slots=True)
class Drift:
    """Largest drift in a bucket over all models, with threshold."""

    start: datetime
    value: float
    threshold: float | None

    @property
    def percent(self) -> float | None:
        """The drift in percent of its threshold."""
        return percent_of(self.value, self.threshold)


@dataclass(frozen=True, slots=True)
class Event:
    """An event of the gateway or the model.

    Its fields are those of the log line.
    """

    time: datetime
    module: str
    task: str
    status: str
    model_name: str | None
    model_version: int | None
    device: str | None
    load_time_ms: float | None
    value: float | None
    threshold: float | None
    lost_lines: int | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of a time range.

    Attributes:
        timezone: the zone of times and days.
        bucket_minutes: the length of a bucket.
        starts: the start of every bucket, including empty ones.
        days: the start of every day.
        latency: the whole range, first all tasks but explanations together, then each task.
        latency_over_time: the same by bucket.
        calls_over_time: by bucket; the first and the last may be partly in the range.
        consistency: the checks of each version, the latest first.
        drift_over_time: by bucket, only those with a check.
        events: the latest alerts, loads, devices, lost lines and changes of the consistency check, newest first.
    """

    since: datetime
    until: datetime
    timezone: str
    bucket_minutes: int
    starts: tuple[datetime, ...]
    days: tuple[datetime, ...]
    source: Source
    totals: Totals
    resources: tuple[ResourceUsage, ...]
    latency: tuple[Latency, ...]
    latency_over_time: tuple[Latency, ...]
    errors: tuple[ErrorType, ...]
    refused: tuple[RefusedRequests, ...]
    calls_by_day: tuple[Calls, ...]
    calls_over_time: tuple[Calls, ...]
    alerts: tuple[Alert, ...]
    consistency: tuple[Consistency, ...]
    drift_over_time: tuple[Drift, ...]
    events: tuple[Event, ...]

    @property
    def summary(self) -> Summary:
        """The figures to compare with another range."""
        return summary_of(self.totals, self.latency, self.drift_over_time)


def summary_of(totals: Totals, latency: Sequence[Latency], drift: Sequence[Drift]) -> Summary:
    """Return the summary of a range's figures."""
    return Summary(
        requests=totals.requests,
        p95_ms=next((one.p95_ms for one in latency if one.task is None), None),
        failed_share=totals.failed_share,
        drift_percent=max((one.percent for one in drift if one.percent is not None), default=None),
    )


def percent_of(value: float | None, threshold: float | None) -> float | None:
    """Return a value in percent of its threshold."""
    return None if value is None or not threshold else value / threshold * 100


def as_json(report: Report) -> dict[str, Any]:
    """Convert the report to JSON types.

    Times are in ISO 8601.
    """
    return {field.name: _plain(getattr(report, field.name)) for field in dataclasses.fields(report)}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return value
