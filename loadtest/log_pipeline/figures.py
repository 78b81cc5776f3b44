"""Compare the dashboards' figures with those of the report.

The report is ``python -m deploy.gateway report``.
"""

import json
import math
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from deploy.elasticsearch.json_api import JsonApi
from deploy.gateway.report.views import EXPLANATION
from loadtest.log_pipeline.panels import Panel, Range, panels
from loadtest.processes import ROOT, StartError

TIMEZONE = "Asia/Shanghai"
PERCENTILES_OFF = 0.03
"""Percentiles of Elasticsearch are estimates."""

_EXACT = 1e-6  # the report rounds sums to six decimals
_PERCENTILES = {"p50_ms": "50.0", "p95_ms": "95.0", "p99_ms": "99.0"}
Figures = dict[tuple[str, ...], float]


@dataclass(frozen=True, slots=True)
class Check:
    """A panel and how far it is from the report.

    Attributes:
        panel: the panel's title.
        figures: the number of figures compared; None if the report has none like them.
        off: the largest relative difference.
        limit: the largest that is accepted.
    """

    panel: str
    figures: int | None
    off: float
    limit: float

    @property
    def is_passed(self) -> bool:
        """Whether there are figures, all within the limit."""
        return self.figures is None or (self.figures > 0 and self.off <= self.limit)

    def __str__(self) -> str:
        """Return the result as a line."""
        if not self.is_passed:
            return f"{self.panel}: {self.figures} figures, off by {self.off:.2%}, which is too much"
        return f"{self.panel}: {self.figures} figures, {f'off by {self.off:.2%}' if self.off > _EXACT else 'equal'}"


def check(api: JsonApi, namespace: str, log: Path) -> list[Check]:
    """Query all panels and compare their figures with the report.

    Panels without a figure in the report are only queried.

    Args:
        api: the server.
        namespace: the namespace of the streams.
        log: the log's folder.

    Raises:
        SetupError: the server rejected a panel's request.
        StartError: the report failed.
    """
    since, until = _span(api, f"logs-bert.gateway-{namespace}")
    report = _report(log, since, until)
    interval = f"{report['bucket_minutes']}m"
    checks = []
    for panel in panels(Range(since.isoformat(), until.isoformat(), TIMEZONE, interval)):
        index = panel.index.replace("-*", f"-{namespace}").replace(".*::", f".*-{namespace}::")
        answer = api.ask("POST", f"/{index}/_search?ignore_unavailable=true", panel.body)
        # without an index, such as that of the rules that fired, there is no answer
        shown = _shown(panel, answer["aggregations"]) if "aggregations" in answer else {}
        if panel.title not in _WANTED:
            checks.append(Check(panel.title, None, 0.0, 0.0))
            continue
        if panel.title == _PER_MINUTE:
            shown = _in_buckets(shown, report["bucket_minutes"])
        wanted = _WANTED[panel.title](report)
        limit = PERCENTILES_OFF if panel.title.startswith("P50") else _EXACT
        checks.append(Check(panel.title, len(wanted), _largest_difference(shown, wanted), limit))
    return checks


def _span(api: JsonApi, stream: str) -> tuple[datetime, datetime]:
    """Return the whole minutes around all documents."""
    aggregations = {kind: {kind: {"field": "@timestamp"}} for kind in ("min", "max")}
    found = api.ask("POST", f"/{stream}/_search", {"size": 0, "aggs": aggregations})["aggregations"]
    first, last = (datetime.fromtimestamp(found[kind]["value"] / 1000, UTC) for kind in ("min", "max"))
    return first.replace(second=0, microsecond=0), last.replace(second=0, microsecond=0) + timedelta(minutes=1)


def _report(log: Path, since: datetime, until: datetime) -> dict[str, Any]:
    command = [sys.executable, "-m", "deploy.gateway", "report", "--format", "json", "--log", str(log)]
    command += ["--since", since.isoformat(), "--until", until.isoformat(), "--timezone", TIMEZONE]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    if result.returncode:
        msg = f"the report failed: {result.stderr.strip()}"
        raise StartError(msg)
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def _shown(panel: Panel, aggregations: Mapping[str, Any]) -> Figures:
    """Return a panel's figures by their buckets and metric."""
    return dict(_values(panel.buckets, panel, aggregations, ()))


def _values(
    buckets: tuple[str, ...], panel: Panel, found: Mapping[str, Any], key: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], float]]:
    if buckets:
        for bucket in found[buckets[0]]["buckets"]:
            # a time has a text, too, but without the zone of the report
            is_time = isinstance(bucket["key"], int) and "key_as_string" in bucket
            name = _time(bucket["key"] / 1000) if is_time else str(bucket["key"])
            yield from _values(buckets[1:], panel, bucket, (*key, name))
        return
    for name, label in panel.metrics.items():
        value = found["doc_count"] if name == "doc_count" else found[name]["value"]
        if value is not None:
            yield (*key, label), float(value)
    for name, value in found.get("ms", {}).get("values", {}).items():
        if value is not None:
            yield (*key, name), float(value)


def _by_outcome(calls: Iterable[Mapping[str, Any]], figure: str, label: str) -> Figures:
    """Sum a figure of all tasks but explanations."""
    return _sums(
        (_local(one["start"]), one["outcome"], label, one[figure]) for one in calls if one["task"] != EXPLANATION
    )


def _percentiles(latencies: Iterable[Mapping[str, Any]], key: Callable[[Mapping[str, Any]], str]) -> Figures:
    return {(key(one), name): one[figure] for one in latencies for figure, name in _PERCENTILES.items()}


def _usage(report: Mapping[str, Any], figure: str, label: str) -> Figures:
    return {(_local(one["start"]), one["process"], label): one[figure] for one in report["resources"]}


_PER_MINUTE = "Calls a minute by outcome (choose a range of a few hours)"
_WANTED: Mapping[str, Callable[[Mapping[str, Any]], Figures]] = {
    "Calls": lambda report: {("calls",): report["totals"]["requests"]},
    "Sentences": lambda report: {("sentences",): report["totals"]["sentences"]},
    "Calls by task": lambda report: _sums((one["task"], "calls", one["requests"]) for one in report["calls_by_day"]),
    "Calls a day by outcome": lambda report: _by_outcome(report["calls_by_day"], "requests", "calls"),
    _PER_MINUTE: lambda report: _by_outcome(report["calls_over_time"], "requests", "calls"),
    "Share of each outcome among the sentences, percent": lambda report: _by_outcome(
        report["calls_over_time"], "sentences", "sentences"
    ),
    "Errors by type": lambda report: {(one["error_type"], "errors"): one["count"] for one in report["errors"]},
    "P50, P95 and P99 by task, ms": lambda report: _percentiles(
        [one for one in report["latency"] if one["task"]], lambda one: str(one["task"])
    ),
    "P50, P95 and P99 over time, ms": lambda report: _percentiles(
        [one for one in report["latency_over_time"] if not one["task"]], lambda one: _local(one["start"])
    ),
    "CPU, percent of one core": lambda report: _usage(report, "cpu_percent", "CPU"),
    "Memory, MB": lambda report: _usage(report, "memory_mb", "memory"),
}
"""The report's figures for the panels that have the same."""


def _in_buckets(shown: Figures, minutes: int) -> Figures:
    """Sum the figures of minutes to the report's buckets."""

    def start(text: str) -> str:
        seconds = int(datetime.fromisoformat(text).timestamp())
        return _time(seconds - seconds % (60 * minutes))

    return _sums((start(time), *rest, value) for (time, *rest), value in shown.items())


def _sums(parts: Iterable[tuple[Any, ...]]) -> Figures:
    sums: Counter[tuple[str, ...]] = Counter()
    for *key, value in parts:
        sums[tuple(key)] += value
    return dict(sums)


def _local(text: str) -> str:
    return _time(datetime.fromisoformat(text).timestamp())


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _largest_difference(shown: Figures, wanted: Figures) -> float:
    """Return the largest relative difference.

    It is infinite if a figure is on one side only. A panel has a zero for an empty bucket, where the report has
    nothing.
    """
    off = 0.0
    for key in shown.keys() | wanted.keys():
        one, other = shown.get(key, 0.0), wanted.get(key, 0.0)
        if one != other:
            off = max(off, abs(one - other) / abs(other) if other else math.inf)
    return off
