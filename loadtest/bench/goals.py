"""The project's performance goals and their check against a run."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from loadtest.bench.results import Results, Row
from loadtest.bench.systems import FLASKS
from loadtest.bench.workloads import MIXED, count_name

_BUSY = 16

Figure = Callable[[Results], float]


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure and its limit.

    Attributes:
        text: what the figure is.
        figure: computes it; raises KeyError if the run lacks a measurement.
        sense: whether the figure must be at least or at most the limit.
        limit: in the figure's unit.
    """

    text: str
    figure: Figure
    sense: Literal["at least", "at most"]
    limit: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """A goal and its measured figure (None if not measured)."""

    goal: Goal
    figure: float | None

    @property
    def met(self) -> bool | None:
        """Whether the goal is met, or None if not measured."""
        if self.figure is None:
            return None
        return self.figure >= self.goal.limit if self.goal.sense == "at least" else self.figure <= self.goal.limit

    def __str__(self) -> str:
        if self.figure is None:
            return "not measured"
        beside = abs(self.figure / self.goal.limit - 1)
        return f"met, by {beside:.0%}" if self.met else f"MISSED, by {beside:.0%}"


def judge(results: Results) -> list[Verdict]:
    """Return the verdict on every goal."""
    return [Verdict(goal, _figure(goal, results)) for goal in GOALS]


def _figure(goal: Goal, results: Results) -> float | None:
    try:
        return goal.figure(results)
    except KeyError:
        return None


def _row(results: Results, target: str, workload: str, connections: int = 1) -> Row:
    row = results.find(target, workload, connections)
    if row is None:
        raise KeyError(target, workload, connections)
    return row


def _rivals(results: Results, workload: str, connections: int) -> list[Row]:
    """Return the rival's rows, one for each of its settings."""
    return [_row(results, name, workload, connections) for name in FLASKS]


def _rate(target: str, other: str | None = None) -> Figure:
    """Return the ratio of requests/s to another target's.

    Both are at 16 connections.
    """

    def figure(results: Results) -> float:
        rows = [_row(results, other, MIXED, _BUSY)] if other else _rivals(results, MIXED, _BUSY)
        best = max(row.requests_per_s.median for row in rows)  # the rival counts at its better setting
        return _row(results, target, MIXED, _BUSY).requests_per_s.median / best

    return figure


def _p95(target: str) -> Figure:
    def figure(results: Results) -> float:
        best = min(row.p95_ms.median for row in _rivals(results, MIXED, _BUSY))
        return _row(results, target, MIXED, _BUSY).p95_ms.median / best

    return figure


def _p50(target: str) -> Figure:
    def figure(results: Results) -> float:
        best = min(row.p50_ms.median for row in _rivals(results, MIXED, 1))
        return _row(results, target, MIXED).p50_ms.median / best

    return figure


def _ten_to_one(target: str) -> Figure:
    def figure(results: Results) -> float:
        ten, one = _row(results, target, count_name(10)), _row(results, target, count_name(1))
        return ten.p50_ms.median / one.p50_ms.median

    return figure


def _ten_to_rival_two(target: str) -> Figure:
    def figure(results: Results) -> float:
        two = 2 * min(row.p50_ms.median for row in _rivals(results, count_name(1), 1))
        return _row(results, target, count_name(10)).p50_ms.median / two

    return figure


def _memory(system: str) -> Figure:
    return lambda results: results.systems[system].rss_mb


def _engine_ratio(engine: str) -> Figure:
    return lambda results: results.engines[engine]["p50_ms"] / results.engines["rival"]["p50_ms"]


def _overhead(engine: str, protocol: str) -> Figure:
    return _beside(f"{engine} {protocol}", engine)


def _beside(one: str, other: str) -> Figure:
    return lambda results: results.engines[one]["p50_ms"] - results.engines[other]["p50_ms"]


GOALS = (
    Goal("onnx over REST, requests/s at 16 connections, times flask", _rate("onnx REST"), "at least", 6),
    Goal("onnx over gRPC, requests/s at 16 connections, times flask", _rate("onnx gRPC"), "at least", 6),
    Goal("onnx over REST, p95 at 16 connections, share of flask's", _p95("onnx REST"), "at most", 1 / 5),
    Goal("onnx over gRPC, p95 at 16 connections, share of flask's", _p95("onnx gRPC"), "at most", 1 / 5),
    Goal("onnx over REST, p50 at 1 connection, share of flask's", _p50("onnx REST"), "at most", 0.4),
    Goal("onnx over gRPC, p50 at 1 connection, share of flask's", _p50("onnx gRPC"), "at most", 0.4),
    Goal("onnx, memory (RSS) after load, MB", _memory("onnx"), "at most", 320),
    Goal("tensorflow over REST, requests/s at 16 connections, times flask", _rate("tensorflow REST"), "at least", 2.3),
    Goal("tensorflow over gRPC, requests/s at 16 connections, times flask", _rate("tensorflow gRPC"), "at least", 2.3),
    Goal("bf16-compute over REST, requests/s at 16 connections, times flask", _rate("bf16 REST"), "at least", 2.3),
    Goal("bf16-compute over gRPC, requests/s at 16 connections, times flask", _rate("bf16 gRPC"), "at least", 2.3),
    Goal(
        "tensorflow over gRPC, requests/s at 16 connections, times full logits",
        _rate("tensorflow gRPC", "logits gRPC"),
        "at least",
        1.4,
    ),
    Goal(
        "tensorflow over REST, requests/s at 16 connections, times full logits",
        _rate("tensorflow REST", "logits REST"),
        "at least",
        5,
    ),
    Goal("tensorflow engine alone, times ONNX Runtime fp32", _engine_ratio("tensorflow"), "at most", 1.15),
    Goal("onnx over gRPC, 10 sentences in one request, times one sentence", _ten_to_one("onnx gRPC"), "at most", 4),
    Goal("onnx over gRPC, 10 sentences, times flask's two", _ten_to_rival_two("onnx gRPC"), "at most", 1),
    Goal("overhead of gRPC beside the tensorflow engine, ms", _overhead("tensorflow", "gRPC"), "at most", 1.0),
    Goal("overhead of REST beside the tensorflow engine, ms", _overhead("tensorflow", "REST"), "at most", 1.5),
    Goal("overhead of gRPC beside the onnx engine, ms", _overhead("onnx", "gRPC"), "at most", 1.0),
    Goal("overhead of REST beside the onnx engine, ms", _overhead("onnx", "REST"), "at most", 1.5),
    Goal("gateway beside the client over gRPC, p50, ms", _beside("onnx gateway", "onnx client"), "at most", 2),
    Goal("gateway beside onnx over gRPC, p50, ms", _beside("onnx gateway", "onnx gRPC"), "at most", 2),
    Goal("gateway beside onnx over REST, p50, ms", _beside("onnx gateway", "onnx REST"), "at most", 2),
    Goal(
        "gateway, requests/s at 16 connections, times the client over gRPC",
        _rate("gateway", "onnx client"),
        "at least",
        0.85,
    ),
    Goal(
        "gateway, requests/s at 16 connections, times onnx over gRPC", _rate("gateway", "onnx gRPC"), "at least", 0.85
    ),
    Goal(
        "gateway, requests/s at 16 connections, times onnx over REST", _rate("gateway", "onnx REST"), "at least", 0.85
    ),
)
