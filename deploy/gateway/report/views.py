"""Draw the report's charts."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from deploy.gateway.report.charts import (
    WIDTH,
    Bar,
    Series,
    Times,
    horizontal_bars,
    line_chart,
    short_number,
    stacked_bars,
)
from deploy.gateway.report.figures import Calls, Report, ResourceUsage
from deploy.gateway.report.words import Words

OUTCOMES = ("success", "low_confidence", "failed")
EXPLANATION = "explanation"
"""The task that the workbench requests by itself, and which is therefore no request of its user."""

MAX_ERROR_TYPES = 12
"""The number of error types to show."""

_PROCESS_STYLES = {"gateway": "1", "server": "2"}


def charts(report: Report, words: Words, width: int = WIDTH) -> dict[str, str]:
    """Draw the charts that have data.

    Args:
        report: the figures.
        words: the language.
        width: ``WIDTH``, or ``NARROW`` for a phone; both may be on one page.

    Returns:
        SVG by chart name: latency, calls_per_minute, calls_per_day, errors, cpu, memory, gpu_memory, gpu_utilization,
        drift.
    """
    if not report.source.lines:
        return {}
    times = Times(report.starts, report.starts[-1] + timedelta(minutes=report.bucket_minutes), width)

    def lines(key: str, title: str, series: Sequence[Series], most: float | None = None) -> str:
        return line_chart(key, title, _peaks(series, times, words), times, series, most=most) if series else ""

    drawn = {
        "latency": lines("latency", words.latency, latency_series(report)),
        "calls_per_minute": _calls_per_minute(report, words, times),
        "calls_per_day": _calls_per_day(report, words, width),
        "errors": _errors(report, words, width),
        "cpu": lines("cpu", words.cpu, process_series(report, words, lambda usage: usage.cpu_percent), 100),
        "memory": lines("memory", words.memory, process_series(report, words, lambda usage: usage.memory_mb)),
    }
    if has_gpu(report):
        utilization = gpu_series(report, lambda usage: usage.gpu_utilization_percent)
        drawn |= {
            "gpu_memory": lines("gpu-memory", words.gpu_memory, gpu_series(report, lambda usage: usage.gpu_memory_mb)),
            "gpu_utilization": lines("gpu-utilization", words.gpu_utilization, utilization, 100),
        }
    drawn["drift"] = lines("drift", drift_title(words), drift_series(report, words))
    return {key: picture for key, picture in drawn.items() if picture}


def has_gpu(report: Report) -> bool:
    """Return whether a GPU was used.

    Without one, lines have 0 MB of GPU memory.
    """
    return any(usage.gpu_memory_mb or usage.gpu_utilization_percent is not None for usage in report.resources)


def requests_by_outcome(calls: Sequence[Calls], starts: Sequence[datetime]) -> dict[str, list[float]]:
    """Return the requests of all tasks but explanations by outcome.

    Each outcome has a value for every start.
    """
    place = {start: index for index, start in enumerate(starts)}
    sums = {outcome: [0.0] * len(starts) for outcome in OUTCOMES}
    for one in calls:
        if one.task != EXPLANATION:
            sums[one.outcome][place[one.start]] += one.requests
    return sums


def requests_per_minute(report: Report) -> dict[str, list[float]]:
    """Return the requests per minute of each bucket by outcome.

    Only time in the range counts.
    """
    step = timedelta(minutes=report.bucket_minutes)
    covered = [min(start + step, report.until) - max(start, report.since) for start in report.starts]
    minutes = [max(length / timedelta(minutes=1), 1) for length in covered]
    sums = requests_by_outcome(report.calls_over_time, report.starts)
    return {
        outcome: [value / length for value, length in zip(values, minutes, strict=True)]
        for outcome, values in sums.items()
    }


def drift_title(words: Words) -> str:
    """Return the title of the drift's chart, with its unit."""
    return words.of_threshold.format(name=words.consistency)


def drift_held(report: Report) -> list[float | None]:
    """Return each bucket's drift in percent of its threshold.

    A check is valid until the next one or until the gateway is down.
    """
    return _held(report, {one.start: one.percent for one in report.drift_over_time})


def drift_series(report: Report, words: Words) -> list[Series]:
    """Return each bucket's drift and threshold.

    Both are in percent of the threshold.
    """
    held = drift_held(report)
    if all(value is None for value in held):
        return []
    return [Series(words.drift, held, "1"), Series(words.threshold, [100.0] * len(held), "2")]


def _held(report: Report, found: Mapping[datetime, float | None]) -> list[float | None]:
    running = {usage.start for usage in report.resources}
    values: list[float | None] = []
    for start in report.starts:
        before = values[-1] if values and start in running else None
        values.append(found.get(start, before))
    return values


def latency_series(report: Report) -> list[Series]:
    """Return the percentiles of each bucket without explanations."""
    figures = {one.start: one for one in report.latency_over_time if one.task is None}
    if not figures:
        return []
    found = [figures.get(start) for start in report.starts]
    return [
        Series("P50", [one.p50_ms if one else None for one in found], "1"),
        Series("P95", [one.p95_ms if one else None for one in found], "2"),
        Series("P99", [one.p99_ms if one else None for one in found], "3"),
    ]


def _calls_per_minute(report: Report, words: Words, times: Times) -> str:
    series = [Series(words.outcome(name), values, name) for name, values in requests_per_minute(report).items()]
    return stacked_bars("calls-per-minute", words.calls_per_minute, _peaks(series, times, words), times, series)


def _calls_per_day(report: Report, words: Words, width: int) -> str:
    sums = requests_by_outcome(report.calls_by_day, report.days)
    series = [Series(words.outcome(outcome), sums[outcome], outcome) for outcome in OUTCOMES]
    description = " ".join(
        words.highest.format(name=one.name, value=short_number(sum(value or 0 for value in one.values)))
        for one in series
    )
    times = Times(report.days, report.days[-1] + timedelta(days=1), width)
    return stacked_bars("calls-per-day", words.calls_per_day, description, times, series)


def _errors(report: Report, words: Words, width: int) -> str:
    if not report.errors:
        return ""
    bars = [
        Bar(error.error_type, error.count, f"{short_number(error.count)} ({error.share:.1%})")
        for error in report.errors[:MAX_ERROR_TYPES]
    ]
    description = " ".join(words.highest.format(name=bar.label, value=bar.note) for bar in bars)
    return horizontal_bars("errors", words.errors, description, bars, "failed", width=width)


def process_series(report: Report, words: Words, figure: Callable[[ResourceUsage], float | None]) -> list[Series]:
    """Return a figure's series for each process, by name."""
    found = {(usage.process, usage.start): figure(usage) for usage in report.resources}
    return [
        Series(
            words.process_name(process),
            [found.get((process, start)) for start in report.starts],
            _PROCESS_STYLES.get(process, "3"),
        )
        for process in sorted({usage.process for usage in report.resources})
    ]


def gpu_series(report: Report, figure: Callable[[ResourceUsage], float | None]) -> list[Series]:
    """Return the series of a GPU figure.

    There is only one, as GPU figures are for all processes together.
    """
    found: dict[datetime, float] = {}
    for usage in report.resources:
        if (value := figure(usage)) is not None:
            found[usage.start] = max(value, found.get(usage.start, 0.0))
    return [Series("GPU", [found.get(start) for start in report.starts], "1")] if found else []


def _peaks(series: Sequence[Series], times: Times, words: Words) -> str:
    """Describe the peak of each series."""
    sentences = []
    for one in series:
        values = [(value, start) for value, start in zip(one.values, times.starts, strict=True) if value]
        if values:
            value, start = max(values)
            when = f"{start:%Y-%m-%d %H:%M}"
            sentences.append(words.peak.format(name=one.name, value=short_number(value), time=when))
    return " ".join(sentences)
