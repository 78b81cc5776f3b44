"""Compute the figures of the scenarios and judge them."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from loadtest.fleet.calls import PATHS, Call

FAIR_SHARE = 0.8
"""Least share of a server, relative to an equal share."""

MAX_SILENT_SHARE = 0.1
"""Largest share of a server that cannot answer: it may have answered when the phase began."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A phase of a scenario.

    Attributes:
        title: its name.
        begun: when it began, in seconds of the machine's monotonic clock.
        ended: when it ended.
        answered: each server's answers.
    """

    title: str
    begun: float
    ended: float
    answered: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a scenario, without its calls.

    Attributes:
        name: the scenario's name.
        title: what happened.
        phases: before, during, restoring and after.
        is_silent: whether server 1 cannot answer during the fault.
        restored_s: seconds from the end of the fault until all servers had their share; None: not within the limit.
    """

    name: str
    title: str
    phases: tuple[Phase, ...]
    is_silent: bool
    restored_s: float | None


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of calls.

    Attributes:
        calls: number of calls.
        failed: number of those that failed.
        p50_ms: median latency of the others, 0 if there are none.
        p95_ms: 95th percentile.
        longest_ms: longest latency.
    """

    calls: int
    failed: int
    p50_ms: float
    p95_ms: float
    longest_ms: float


def figures(calls: Sequence[Call]) -> Figures:
    """Return the figures of calls."""
    failed = sum(bool(call.error) for call in calls)
    p50, p95, longest = np.percentile([call.ms for call in calls if not call.error] or [0.0], [50, 95, 100])
    return Figures(len(calls), failed, round(float(p50), 1), round(float(p95), 1), round(float(longest), 1))


def within(calls: Sequence[Call], begun: float, ended: float, path: str | None = None) -> list[Call]:
    """Return the calls that ended in a period."""
    return [call for call in calls if begun <= call.ended < ended and path in {None, call.path}]


def shares(answered: Sequence[int]) -> tuple[float, ...]:
    """Return each server's share of the answers."""
    total = sum(answered) or 1
    return tuple(count / total for count in answered)


def is_fair(parts: Sequence[float]) -> bool:
    """Return whether each server has about an equal share."""
    return min(parts) >= FAIR_SHARE / len(parts)


def failed_calls(outcome: Outcome, calls: Sequence[Call]) -> list[Call]:
    """Return the failed calls of a scenario."""
    return [call for call in within(calls, outcome.phases[0].begun, outcome.phases[-1].ended) if call.error]


def faults(outcome: Outcome, calls: Sequence[Call], budget: int) -> Iterator[str]:
    """Yield a message for each limit that a scenario exceeded."""
    failed = len(failed_calls(outcome, calls))
    if failed > budget:
        yield f"{failed} calls failed, {budget} are allowed"
    during = next(phase for phase in outcome.phases if phase.title == "during")
    if outcome.is_silent and shares(during.answered)[0] > MAX_SILENT_SHARE:
        yield f"the fault had no effect: server 1 had {shares(during.answered)[0]:.0%} of the load meanwhile"
    if outcome.restored_s is None:
        yield "the share of load was not restored within the limit"
    for title in ("before", "after"):
        phase = next(phase for phase in outcome.phases if phase.title == title)
        parts = shares(phase.answered)
        if not is_fair(parts):
            least = FAIR_SHARE / len(parts)
            yield f"a server had only {min(parts):.0%} of the load in the phase {title}, less than {least:.0%}"


def seconds(outcome: Outcome, calls: Sequence[Call]) -> list[dict[str, Any]]:
    """Return the figures of each second and path.

    Seconds count from the begin of the fault.
    """
    zero = outcome.phases[1].begun
    buckets: defaultdict[tuple[int, str], list[Call]] = defaultdict(list)
    for call in within(calls, outcome.phases[0].begun, outcome.phases[-1].ended):
        buckets[int((call.ended - zero) // 1), call.path].append(call)
    return [{"second": at, "path": path, **asdict(figures(buckets[at, path]))} for at, path in sorted(buckets)]


def document(outcome: Outcome, calls: Sequence[Call], budget: int) -> dict[str, Any]:
    """Return a scenario's figures for JSON."""
    return {
        "name": outcome.name,
        "title": outcome.title,
        "restored_s": None if outcome.restored_s is None else round(outcome.restored_s, 1),
        "phases": [
            {
                "title": phase.title,
                "seconds": round(phase.ended - phase.begun, 1),
                "shares": [round(share, 3) for share in shares(phase.answered)],
                **{path: asdict(figures(within(calls, phase.begun, phase.ended, path))) for path in PATHS},
            }
            for phase in outcome.phases
        ],
        "errors": dict(Counter(call.error for call in failed_calls(outcome, calls)).most_common(10)),
        "faults": list(faults(outcome, calls, budget)),
        "seconds": seconds(outcome, calls),
    }


def table(outcome: Outcome, calls: Sequence[Call], budget: int) -> str:
    """Format a scenario's figures as text."""
    servers = "".join(f"{f'server {number}':>10}" for number in range(1, len(outcome.phases[0].answered) + 1))
    lines = [
        f"{outcome.name}: {outcome.title}",
        f"{'':<12}{'s':>6}{servers}  path       calls  failed   p50 ms   p95 ms  longest ms",
    ]
    for phase in outcome.phases:
        parts = "".join(f"{share:>10.0%}" for share in shares(phase.answered))
        start = f"{phase.title:<12}{phase.ended - phase.begun:>6.1f}{parts}"
        for path in PATHS:
            row = figures(within(calls, phase.begun, phase.ended, path))
            numbers = f"{row.calls:>6}{row.failed:>8}{row.p50_ms:>9.1f}{row.p95_ms:>9.1f}{row.longest_ms:>12.1f}"
            lines.append(f"{start}  {path:<9}{numbers}")
            start = " " * len(start)
    errors = Counter(call.error for call in failed_calls(outcome, calls))
    lines += [f"{count} times {message}" for message, count in errors.most_common(3)]
    back = "not restored" if outcome.restored_s is None else f"restored after {outcome.restored_s:.1f} s"
    lines.append(f"{errors.total()} failed, {budget} allowed; share of load {back}")
    lines += [f"wrong: {fault}" for fault in faults(outcome, calls, budget)]
    return "\n".join(lines)
