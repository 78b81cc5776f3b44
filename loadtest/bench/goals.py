"""The project's performance goals and their check against a run.

Most limits depend on the kind of processor: they are a fifth better than the figures measured there. A kind without a
measurement has no goal for that figure.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from loadtest.bench.kinds import Kind, kind_of
from loadtest.bench.results import Results, Row
from loadtest.bench.systems import FLASKS
from loadtest.bench.workloads import MIXED, count_name

_BUSY = 16

Figure = Callable[[Results], float]


@dataclass(frozen=True, slots=True, eq=False)
class Goal:
    """A figure and its limit.

    Attributes:
        text: what the figure is.
        figure: computes it; raises KeyError if the run lacks a measurement.
        sense: whether the figure must be at least or at most the limit.
        limits: in the figure's unit, one for all kinds of processors or one for some.
    """

    text: str
    figure: Figure
    sense: Literal["at least", "at most"]
    limits: float | Mapping[Kind, float]

    def limit(self, kind: Kind) -> float | None:
        """Return the limit on a kind of processor, if any."""
        return self.limits.get(kind) if isinstance(self.limits, Mapping) else self.limits


@dataclass(frozen=True, slots=True)
class Verdict:
    """A goal with its limit and measured figure.

    The figure is None if it was not measured.
    """

    goal: Goal
    limit: float
    figure: float | None

    @property
    def met(self) -> bool | None:
        """Whether the goal is met, or None if not measured."""
        if self.figure is None:
            return None
        return self.figure >= self.limit if self.goal.sense == "at least" else self.figure <= self.limit

    def __str__(self) -> str:
        if self.figure is None:
            return "not measured"
        beside = abs(self.figure / self.limit - 1)
        return f"met, by {beside:.0%}" if self.met else f"MISSED, by {beside:.0%}"


def judge(results: Results) -> list[Verdict]:
    """Return the verdicts on the goals of the run's processor."""
    kind = kind_of(results.machine.get("instruction_sets", ()))
    limits = {goal: goal.limit(kind) for goal in GOALS}
    return [Verdict(goal, limit, _figure(goal, results)) for goal, limit in limits.items() if limit is not None]


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


def _p50_beside(target: str, other: str) -> Figure:
    return lambda results: _row(results, target, MIXED).p50_ms.median / _row(results, other, MIXED).p50_ms.median


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


def _shared_memory(system: str, *others: str) -> Figure:
    """Return the ratio of memory to other systems' total memory.

    Shared pages count once.
    """
    return lambda results: results.systems[system].pss_mb / sum(results.systems[other].pss_mb for other in others)


def _engine_ratio(engine: str, other: str) -> Figure:
    return lambda results: results.engines[engine]["p50_ms"] / results.engines[other]["p50_ms"]


def _peak_ratio(engine: str, other: str) -> Figure:
    return lambda results: results.peak_mb[engine] / results.peak_mb[other]


def _overhead(engine: str, protocol: str) -> Figure:
    return _beside(f"{engine} {protocol}", engine)


def _beside(one: str, other: str) -> Figure:
    return lambda results: results.engines[one]["p50_ms"] - results.engines[other]["p50_ms"]


_TIMES_FLASK = {Kind.ZEN3: 3.2, Kind.ICE_LAKE: 4.9, Kind.ZEN4: 4.3, Kind.ZEN5: 8.1}
"""Measured: 2.7 (Zen 3), 4.0 to 4.1 (Ice Lake), 3.6 to 4.4 (Zen 4), 6.8 (Zen 5)."""

_P95 = {Kind.ICE_LAKE: 0.23, Kind.ZEN4: 0.21, Kind.ZEN5: 0.083}
"""Measured: 0.28 (Ice Lake), 0.25 to 0.29 (Zen 4), a tenth (Zen 5)."""

_P50 = {Kind.ICE_LAKE: 0.36, Kind.ZEN4: 0.35}
"""Measured: 0.43 to 0.45 (Ice Lake), 0.42 to 0.43 (Zen 4)."""

_FLOAT = {Kind.ICE_LAKE: 1.75, Kind.ZEN4: 1.75}
"""Measured: 1.43 to 1.50 (Ice Lake), 1.45 to 1.49 (Zen 4, with the graph of kernels in blocks)."""

_BFLOAT = {Kind.ZEN4: 2.1}
"""Measured: 1.72 to 2.04 (Zen 4), with the graph of kernels in blocks; Ice Lake emulates bfloat16."""

_TO_ONNX_RUNTIME = {Kind.ZEN3: 1.8, Kind.ICE_LAKE: 1.3, Kind.ZEN4: 1.3, Kind.ZEN5: 1.3}

GOALS = (
    Goal("onnx over REST, requests/s at 16 connections, times flask", _rate("onnx REST"), "at least", _TIMES_FLASK),
    Goal("onnx over gRPC, requests/s at 16 connections, times flask", _rate("onnx gRPC"), "at least", _TIMES_FLASK),
    Goal("onnx over REST, p95 at 16 connections, share of flask's", _p95("onnx REST"), "at most", _P95),
    Goal("onnx over gRPC, p95 at 16 connections, share of flask's", _p95("onnx gRPC"), "at most", _P95),
    Goal("onnx over REST, p50 at 1 connection, share of flask's", _p50("onnx REST"), "at most", _P50),
    Goal("onnx over gRPC, p50 at 1 connection, share of flask's", _p50("onnx gRPC"), "at most", _P50),
    Goal("onnx, memory (RSS) after load, MB", _memory("onnx"), "at most", 190),
    Goal(
        "tensorflow over REST, requests/s at 16 connections, times flask", _rate("tensorflow REST"), "at least", _FLOAT
    ),
    Goal(
        "tensorflow over gRPC, requests/s at 16 connections, times flask", _rate("tensorflow gRPC"), "at least", _FLOAT
    ),
    Goal("bf16-compute over REST, requests/s at 16 connections, times flask", _rate("bf16 REST"), "at least", _BFLOAT),
    Goal("bf16-compute over gRPC, requests/s at 16 connections, times flask", _rate("bf16 gRPC"), "at least", _BFLOAT),
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
    Goal(
        "tensorflow engine alone, times ONNX Runtime fp32",
        _engine_ratio("tensorflow", "rival"),
        "at most",
        _TO_ONNX_RUNTIME,
    ),
    Goal(
        "onnx engine alone, p50, share of CTranslate2's encoder",
        _engine_ratio("onnx", "ctranslate2"),
        "at most",
        0.5,
    ),
    Goal("onnx engine alone, peak memory, share of CTranslate2's", _peak_ratio("onnx", "ctranslate2"), "at most", 1.1),
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
    Goal(
        "one process, requests/s at 16 connections, times the gateway before onnx",
        _rate("one process", "gateway"),
        "at least",
        1.15,
    ),
    Goal(
        "one process, p50 at 1 connection, times the gateway before onnx",
        _p50_beside("one process", "gateway"),
        "at most",
        0.85,
    ),
    Goal(
        "one process, memory (PSS), times gateway and onnx together",
        _shared_memory("one-process", "gateway", "onnx"),
        "at most",
        0.75,
    ),
)
