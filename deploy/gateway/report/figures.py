"""What a report says, as plain values."""

import dataclasses
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Source:
    """What was read.

    Attributes:
        files: files that can hold lines of the range.
        lines: lines of the range.
        unreadable_lines: lines of these files, whatever their time, that are no JSON object with a timestamp.
        lost_lines: lines that the gateway could not write, as it says itself afterwards; they are in no figure.
    """

    files: int
    lines: int
    unreadable_lines: int
    lost_lines: int


@dataclass(frozen=True, slots=True)
class Totals:
    """The range as a whole. Sampled lines count as the requests that they stand for.

    Attributes:
        requests: a line counts as one part in ``batch_size`` of its request.
        sentences: inference lines.
        success_share: of all sentences, those answered with confidence; the three shares add up to 1.
        low_confidence_share: those answered below the threshold.
        failed_share: those not answered.
        busiest_minute: when most requests came, and
        busiest_minute_requests: how many.
        drift_events: lines of the consistency check with status ``drift``.
        alert_events: alerts that began to fire.
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


@dataclass(frozen=True, slots=True)
class ResourceUsage:
    """What a process used in a bucket: means, and maxima where a peak matters."""

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
    """How long answered sentences took from request to answer, in a bucket or over the whole range.

    Percentiles interpolate linearly between the two nearest values (DuckDB's quantile_cont, NumPy's default). A sampled
    line counts as the sentences that it stands for. Failed sentences are left out.

    Attributes:
        start: the bucket; None is the whole range.
        task: None is all tasks together.
        lines: how many were counted.
        inference_mean_ms: the model server's share of the mean.
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
    """One type of error; a batch that fails as a whole counts once."""

    error_type: str
    count: float
    share: float
    last_seen: datetime
    example: str | None


@dataclass(frozen=True, slots=True)
class Calls:
    """What was asked in a bucket, or on a day of the report's zone, by task and outcome.

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
    """How often an alert fired and was resolved, and the last of it."""

    name: str
    fired: int
    resolved: int
    last_seen: datetime
    last_status: str
    last_value: float | None
    threshold: float | None


@dataclass(frozen=True, slots=True)
class Consistency:
    """How the golden prompts of one version were answered.

    Attributes:
        model_version: the version, None if no line said it.
        checks: how often they were asked,
        drifted: how often the answers were too far from the baseline, and
        failed: how often there was none.
        last_value: how far the latest answers were, in the unit of the threshold.
    """

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
    """The greatest distance from the baseline in a bucket, and the threshold that it was compared with."""

    start: datetime
    value: float
    threshold: float | None


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to the gateway or the model: its line's fields, None where it has not got one."""

    time: datetime
    module: str
    task: str
    status: str
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
        timezone: what times are shown in and days begin by.
        bucket_minutes: the length of a bucket.
        starts: every bucket's start, also of those without a line.
        days: every day's start.
        latency: the range as a whole, all tasks first, then each.
        latency_over_time: the same by bucket.
        calls_over_time: by bucket, of which the first and the last may lie partly in the range.
        consistency: the checks of each version, the latest first.
        drift_over_time: by bucket, those with a check alone.
        events: the latest alerts, loads, devices, lost lines and turns of the consistency check, the latest first.
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
    calls_by_day: tuple[Calls, ...]
    calls_over_time: tuple[Calls, ...]
    alerts: tuple[Alert, ...]
    consistency: tuple[Consistency, ...]
    drift_over_time: tuple[Drift, ...]
    events: tuple[Event, ...]


def as_json(report: Report) -> dict[str, Any]:
    """Return the report as JSON's own types, with times in ISO 8601."""
    return {field.name: _plain(getattr(report, field.name)) for field in dataclasses.fields(report)}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return value
