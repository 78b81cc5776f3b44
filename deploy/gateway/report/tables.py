"""Format the figures as tables for terminal and page."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from deploy.gateway.report.charts import short_number
from deploy.gateway.report.figures import Event, Report, ResourceUsage, percent_of
from deploy.gateway.report.views import EXPLANATION, MAX_ERROR_TYPES, OUTCOMES, has_gpu, requests_by_outcome
from deploy.gateway.report.words import Words


@dataclass(frozen=True, slots=True)
class Table:
    """A table of text cells.

    The columns ``words`` are left-aligned words, the others numbers.

    Attributes:
        keys: for each row the names in the log that its first cell stands for; empty if there are none.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: frozenset[int]
    keys: tuple[Mapping[str, str], ...] = ()


def totals(report: Report, words: Words) -> list[tuple[str, str]]:
    """Return the totals with their names."""
    figures = report.totals
    busiest = words.none
    if figures.busiest_minute:
        busiest = f"{figures.busiest_minute:%m-%d %H:%M} ({_number(figures.busiest_minute_requests)})"
    return [
        (words.requests, _number(figures.requests)),
        (words.sentences, _number(figures.sentences)),
        (words.success, _share(figures.success_share)),
        (words.low_confidence, _share(figures.low_confidence_share)),
        (words.failed, _share(figures.failed_share)),
        (words.busiest_minute, busiest),
        (words.drift_events, _number(figures.drift_events)),
        (words.alert_events, _number(figures.alert_events)),
        *([(words.explanations, _number(figures.explanations))] if figures.explanations else []),
        *([(words.characters, _number(figures.characters))] if figures.characters else []),
    ]


def heading(report: Report, words: Words) -> tuple[str, str]:
    """Return the range and the numbers of lines and files."""
    span = words.span.format(since=_minute(report.since), until=_minute(report.until), timezone=report.timezone)
    source = report.source
    read = [words.read.format(lines=_number(source.lines), files=_number(source.files))]
    if source.unreadable_lines:
        read.append(words.unreadable.format(count=_number(source.unreadable_lines)))
    if source.lost_lines:
        read.append(words.lost.format(count=_number(source.lost_lines)))
    return span, words.comma.join(read)


def latency(report: Report, words: Words) -> Table:
    """Return the percentiles of each task."""
    header = (words.task, words.lines, "P50", "P95", "P99", words.mean, words.mean_inference)
    rows = tuple(
        (
            words.task_name(one.task) if one.task else words.all_tasks,
            _number(one.lines),
            *(f"{value:.1f}" for value in (one.p50_ms, one.p95_ms, one.p99_ms, one.mean_ms)),
            _figure(one.inference_mean_ms),
        )
        for one in report.latency
    )
    keys = tuple(_of_task(one.task) for one in report.latency)
    return Table(words.latency, header, rows, frozenset({0}), keys)


def calls_by_task(report: Report, words: Words) -> Table:
    """Return the requests of each task by outcome."""
    tasks: dict[str, dict[str, float]] = {}
    for one in report.calls_by_day:
        outcomes = tasks.setdefault(one.task, dict.fromkeys(OUTCOMES, 0.0))
        outcomes[one.outcome] += one.requests
    header = (words.task, words.requests, *(words.outcome(outcome) for outcome in OUTCOMES))
    rows = tuple(
        (words.task_name(task), _number(sum(outcomes.values())), *(_number(outcomes[outcome]) for outcome in OUTCOMES))
        for task, outcomes in sorted(tasks.items())
    )
    return Table(words.requests, header, rows, frozenset({0}), tuple(_of_task(task) for task in sorted(tasks)))


def calls_by_day(report: Report, words: Words) -> Table:
    """Return the requests of each day by outcome."""
    sums = requests_by_outcome(report.calls_by_day, report.days)
    header = (words.day, words.requests, *(words.outcome(outcome) for outcome in OUTCOMES))
    rows = tuple(
        (
            f"{day:%Y-%m-%d}",
            _number(sum(sums[outcome][index] for outcome in OUTCOMES)),
            *(_number(sums[outcome][index]) for outcome in OUTCOMES),
        )
        for index, day in enumerate(report.days)
    )
    return Table(words.calls_per_day, header, rows, frozenset({0}))


def errors(report: Report, words: Words) -> Table:
    """Return the error types by frequency."""
    header = (words.error_type, words.count, words.share, words.last_seen, words.example)
    rows = tuple(
        (error.error_type, _number(error.count), f"{error.share:.1%}", _second(error.last_seen), error.example or "")
        for error in report.errors[:MAX_ERROR_TYPES]
    )
    keys = tuple({"error_type": error.error_type} for error in report.errors[:MAX_ERROR_TYPES])
    return Table(words.errors, header, rows, frozenset({0, 3, 4}), keys)


def refused(report: Report, words: Words) -> Table:
    """Return the refused requests by frequency."""
    header = (words.error_type, words.status, words.count, words.last_seen, words.example)
    rows = tuple(
        (
            one.error_type,
            "–" if one.status_code is None else str(one.status_code),
            _number(one.count),
            _second(one.last_seen),
            one.example or "",
        )
        for one in report.refused[:MAX_ERROR_TYPES]
    )
    keys = tuple({"module": "http", "error_type": one.error_type} for one in report.refused[:MAX_ERROR_TYPES])
    return Table(words.refused, header, rows, frozenset({0, 1, 3, 4}), keys)


def resources(report: Report, words: Words) -> Table:
    """Return the mean and maximum resource use of each process."""
    by_process: dict[str, list[ResourceUsage]] = {}
    for usage in report.resources:
        by_process.setdefault(usage.process, []).append(usage)
    header = (
        words.process,
        *(part for name in (words.cpu, words.memory) for part in (name, words.maximum)),
        *((words.gpu_memory, words.gpu_utilization) if has_gpu(report) else ()),
    )
    rows = tuple(
        (
            words.process_name(process),
            _mean([usage.cpu_percent for usage in found]),
            _most([usage.cpu_percent_max for usage in found]),
            _mean([usage.memory_mb for usage in found]),
            _most([usage.memory_mb_max for usage in found]),
            _mean([usage.gpu_memory_mb for usage in found]),
            _mean([usage.gpu_utilization_percent for usage in found]),
        )[: len(header)]
        for process, found in sorted(by_process.items())
    )
    return Table(words.resources, header, rows, frozenset({0}))


def alerts(report: Report, words: Words) -> Table:
    """Return the alerts, latest first."""
    header = (words.alert, words.fired, words.resolved, words.last_seen, words.status, words.value, words.threshold)
    rows = tuple(
        (
            alert.name,
            _number(alert.fired),
            _number(alert.resolved),
            _second(alert.last_seen),
            words.state(alert.last_status),
            _exact(alert.last_value),
            _exact(alert.threshold),
        )
        for alert in report.alerts
    )
    keys = tuple({"module": "alert", "task": alert.name} for alert in report.alerts)
    return Table(words.alerts, header, rows, frozenset({0, 3, 4}), keys)


def consistency(report: Report, words: Words) -> Table:
    """Return the consistency checks of versions, latest first."""
    header = (
        words.model,
        words.model_version,
        words.checks,
        words.state("drift"),
        words.failed,
        words.last_seen,
        words.status,
        words.last_value,
        words.highest_value,
        words.threshold,
    )
    rows = tuple(
        (
            one.model_name or "–",
            "–" if one.model_version is None else str(one.model_version),
            _number(one.checks),
            _number(one.drifted),
            _number(one.failed),
            _second(one.last_seen),
            words.state(one.last_status),
            _percent(percent_of(one.last_value, one.threshold)),
            _percent(percent_of(one.highest_value, one.threshold)),
            _exact(one.threshold),
        )
        for one in report.consistency
    )
    return Table(words.consistency, header, rows, frozenset({0, 1, 5, 6}))


def events(report: Report, words: Words) -> Table:
    """Return the events, latest first."""
    header = (words.time, words.event, words.status, words.detail)
    rows = tuple(
        (
            _second(event.time),
            words.event_name(event.module, event.task),
            words.state(event.status),
            words.comma.join(_details(event, words)),
        )
        for event in report.events
    )
    return Table(words.events, header, rows, frozenset({0, 1, 2, 3}))


def _details(event: Event, words: Words) -> Iterator[str]:
    if event.model_name:
        yield event.model_name
    if event.model_version is not None:
        yield words.version_detail.format(version=event.model_version)
    if event.device:
        yield event.device
    if measured := _measured(event, words):
        yield measured
    if event.lost_lines is not None:
        yield words.lines_detail.format(count=_number(event.lost_lines))
    if event.error:
        yield event.error


def _measured(event: Event, words: Words) -> str:
    """Return what an event measured.

    A drift is in percent of its threshold.
    """
    drift = percent_of(event.value, event.threshold) if event.module == "canary" else None
    if drift is not None:
        return words.drift_detail.format(percent=_percent(drift))
    measured = f"{_number(event.load_time_ms)} ms" if event.load_time_ms is not None else _exact(event.value)
    if event.threshold is not None:
        return words.limit_detail.format(value=measured, threshold=_exact(event.threshold))
    return measured if event.load_time_ms is not None else ""


def _of_task(task: str | None) -> Mapping[str, str]:
    return {"module": "inference", **({"task": task} if task else {"without": EXPLANATION})}


def _mean(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return _figure(sum(known) / len(known) if known else None)


def _most(values: Sequence[float | None]) -> str:
    return _figure(max((value for value in values if value is not None), default=None))


def _figure(value: float | None) -> str:
    return "–" if value is None else short_number(value) if abs(value) >= 1e6 else f"{value:,.1f}"


def _exact(value: float | None) -> str:
    return "–" if value is None else f"{value:,.6g}"


def _number(value: float) -> str:
    return f"{value:,.0f}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.2%}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}%"


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


def _second(moment: datetime) -> str:
    return f"{moment:%m-%d %H:%M:%S}"
