"""Describe the four tiles above the dashboard's charts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from deploy.gateway.dashboard.words import PageWords
from deploy.gateway.report.charts import short_number
from deploy.gateway.report.figures import Report, Summary
from deploy.gateway.report.views import drift_held, latency_series, requests_by_outcome
from deploy.gateway.report.words import Words

WIDTH, HEIGHT = 120, 32
"""The size of a sparkline's coordinates."""

_MARGIN = 2
_LEAST_CHANGE = 0.005

Trend = Literal["better", "worse", "neutral"]


@dataclass(frozen=True, slots=True)
class Tile:
    """A figure of the range with its course.

    Attributes:
        change: the change against the period before, in words.
        trend: whether that change is one for the better.
        line: the path of the sparkline, empty without values.
    """

    name: str
    value: str
    change: str
    trend: Trend
    line: str


def tiles(report: Report, before: Summary | None, words: Words, page: PageWords) -> list[Tile]:
    """Return the tiles of requests, latency, failures and drift.

    Args:
        report: the figures.
        before: those of the period before of the same length; None if the log does not reach back so far.
        words: the report's words.
        page: the page's words.
    """
    now = report.summary
    outcomes = requests_by_outcome(report.calls_over_time, report.starts)
    requests = [sum(values) for values in zip(*outcomes.values(), strict=True)]
    failed = [one / every if every else None for one, every in zip(outcomes["failed"], requests, strict=True)]
    p95 = next((one.values for one in latency_series(report) if one.name == "P95"), [])
    return [
        Tile(
            words.requests,
            f"{now.requests:,.0f}",
            *_relative(now.requests, before.requests if before else None, page, is_cost=False),
            sparkline(requests),
        ),
        Tile(
            page.latency_p95,
            "–" if now.p95_ms is None else f"{short_number(round(now.p95_ms, 1))} ms",
            *_relative(now.p95_ms, before.p95_ms if before else None, page, is_cost=True),
            sparkline(p95),
        ),
        Tile(
            words.failed,
            "–" if now.failed_share is None else f"{now.failed_share:.2%}",
            *_points(_percent(now.failed_share), _percent(before.failed_share if before else None), page),
            sparkline(failed),
        ),
        Tile(
            words.of_threshold.format(name=words.drift),
            "–" if now.drift_percent is None else f"{now.drift_percent:,.0f}%",
            *_points(now.drift_percent, before.drift_percent if before else None, page),
            sparkline(drift_held(report)),
        ),
    ]


def sparkline(values: Sequence[float | None]) -> str:
    """Return the SVG path of a curve above 0.

    Missing values are gaps.
    """
    most = max((value for value in values if value is not None), default=0) or 1
    step = (WIDTH - 2 * _MARGIN) / max(len(values) - 1, 1)
    path = ""
    is_drawing = False
    for index, value in enumerate(values):
        if value is not None:
            x, y = _MARGIN + index * step, HEIGHT - _MARGIN - value / most * (HEIGHT - 2 * _MARGIN)
            # A point without neighbours is a line of no length, which round ends make visible.
            path += f"L{x:.1f} {y:.1f}" if is_drawing else f"M{x:.1f} {y:.1f}h0"
        is_drawing = value is not None
    return path


def _relative(now: float | None, before: float | None, page: PageWords, *, is_cost: bool) -> tuple[str, Trend]:
    """Return a change in percent of the value before."""
    if now is None or before is None or before == 0:
        return page.nothing_before, "neutral"
    share = now / before - 1
    if abs(share) < _LEAST_CHANGE:
        return page.unchanged, "neutral"
    trend: Trend = "neutral" if not is_cost else "worse" if share > 0 else "better"
    return page.change.format(change=f"{_signed(share * 100, 0)}%"), trend


def _points(now: float | None, before: float | None, page: PageWords) -> tuple[str, Trend]:
    """Return a change of a percentage in points."""
    if now is None or before is None:
        return page.nothing_before, "neutral"
    points = now - before
    if abs(points) < _LEAST_CHANGE:
        return page.unchanged, "neutral"
    change = page.points.format(points=_signed(points, 0 if abs(points) >= 1 else 2))
    return page.change.format(change=change), "worse" if points > 0 else "better"


def _percent(share: float | None) -> float | None:
    return None if share is None else share * 100


def _signed(value: float, digits: int) -> str:
    return f"{value:+,.{digits}f}".replace("-", "\u2212")  # a minus sign is as wide as a plus sign
