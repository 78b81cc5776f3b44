"""Describe the charts of the dashboard for its script.

The script draws them (``page/dashboard-chart.js``); without scripts, the page shows the report's SVG.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, Literal

from deploy.gateway.report.charts import Series
from deploy.gateway.report.figures import Report
from deploy.gateway.report.views import (
    EXPLANATION,
    OUTCOMES,
    drift_series,
    drift_title,
    gpu_series,
    has_gpu,
    latency_series,
    process_series,
    requests_by_outcome,
    requests_per_minute,
)
from deploy.gateway.report.words import Words

QUESTIONS = {"module": "inference", "without": EXPLANATION}
"""The filter of the lines that count as requests."""

_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Plot:
    """A chart.

    Attributes:
        key: the chart's name in `views.charts`.
        title: the heading, with the unit.
        form: lines, or stacked bars.
        starts: the start of each bucket.
        end: the end of the last one.
        series: at most four.
        filters: the filter of each series' log lines (`log_lines.LineFilter`).
        least: the minimum upper end of the vertical axis.
    """

    key: str
    title: str
    form: Literal["lines", "bars"]
    starts: Sequence[datetime]
    end: datetime
    series: Sequence[Series]
    filters: Sequence[Mapping[str, str]]
    least: float = 0

    def as_json(self) -> str:
        """Encode the chart for a script element.

        Its texts are words of the page and names of processes; ``<`` is escaped, since it could end the element.
        """
        chart: dict[str, Any] = {
            "form": self.form,
            "starts": [int(start.timestamp()) for start in self.starts],
            "end": int(self.end.timestamp()),
            "least": self.least,
            "series": [
                {
                    "name": one.name,
                    "style": one.style,
                    "values": [None if value is None else float(f"{value:.{_DIGITS}g}") for value in one.values],
                    "filter": wanted,
                }
                for one, wanted in zip(self.series, self.filters, strict=True)
            ],
        }
        return json.dumps(chart, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def plots(report: Report, words: Words) -> dict[str, Plot]:
    """Return the charts that have data, by name.

    The names are those of `views.charts`.
    """
    end = report.starts[-1] + timedelta(minutes=report.bucket_minutes)
    resource = {"module": "resource"}

    def lines(
        key: str, title: str, series: Sequence[Series], filters: Sequence[Mapping[str, str]], least: float = 0
    ) -> Plot:
        return Plot(key, title, "lines", report.starts, end, series, filters, least)

    def of_process(key: str, title: str, figure: str, least: float = 0) -> Plot:
        series = process_series(report, words, attrgetter(figure))
        processes = sorted({usage.process for usage in report.resources})
        return lines(key, title, series, [{**resource, "process": process} for process in processes], least)

    def of_gpu(key: str, title: str, figure: str, least: float = 0) -> Plot:
        series = gpu_series(report, attrgetter(figure)) if has_gpu(report) else []
        return lines(key, title, series, [resource] * len(series), least)

    latency = latency_series(report)
    answered = {**QUESTIONS, "answered": "1", "slowest": "1"}
    drift = drift_series(report, words)
    drawn = (
        lines("latency", words.latency, latency, [answered] * len(latency)),
        _bars("calls_per_minute", words.calls_per_minute, requests_per_minute(report), (report.starts, end), words),
        _bars(
            "calls_per_day",
            words.calls_per_day,
            requests_by_outcome(report.calls_by_day, report.days),
            (report.days, report.days[-1] + timedelta(days=1)),
            words,
        ),
        of_process("cpu", words.cpu, "cpu_percent", 100),
        of_process("memory", words.memory, "memory_mb"),
        of_gpu("gpu_memory", words.gpu_memory, "gpu_memory_mb"),
        of_gpu("gpu_utilization", words.gpu_utilization, "gpu_utilization_percent", 100),
        lines("drift", drift_title(words), drift, [{"module": "canary"}] * len(drift)),
    )
    return {plot.key: plot for plot in drawn if plot.series}


def _bars(
    key: str,
    title: str,
    sums: Mapping[str, Sequence[float]],
    times: tuple[Sequence[datetime], datetime],
    words: Words,
) -> Plot:
    series = [Series(words.outcome(outcome), sums[outcome], outcome) for outcome in OUTCOMES]
    return Plot(key, title, "bars", *times, series, [{**QUESTIONS, "status": outcome} for outcome in OUTCOMES])
