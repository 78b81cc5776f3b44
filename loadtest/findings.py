"""What a soak found, and how it is told."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np

_WARM_UP = 0.1
"""The share of the run after which memory counts as settled."""


@dataclass(slots=True)
class Findings:
    """What happened.

    Attributes:
        latencies_ms: of right answers, by the minute in which they came.
        wrong: answers that differ from the one before, by what is wrong.
        errors: requests that were refused or failed, by their message.
        lost: requests that nothing came back for.
        memory_mb: seconds since the start, and the server's RSS.
        swaps_s: how long each new version took until it served.
        faults: what else went wrong, a sentence each.
    """

    latencies_ms: defaultdict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    wrong: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    memory_mb: list[tuple[float, float]] = field(default_factory=list)
    swaps_s: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        """Whether every request had its right answer and nothing else went wrong."""
        return not (self.wrong or self.errors or self.lost or self.faults) and bool(self.latencies_ms)


def summarise(found: Findings) -> dict[str, Any]:
    """Return what happened as JSON writes it."""
    answered = sum(len(taken) for taken in found.latencies_ms.values())
    wrong, errors = sum(found.wrong.values()), sum(found.errors.values())
    summary: dict[str, Any] = {
        "clean": found.clean,
        "requests": answered + wrong + errors + found.lost,
        "right": answered,
        "wrong": wrong,
        "errors": errors,
        "lost": found.lost,
        "swaps": len(found.swaps_s),
        "swaps_s": found.swaps_s,
        "faults": found.faults,
        "messages": dict((found.wrong + found.errors).most_common(20)),
        "minutes": [
            {"minute": minute, "requests": len(taken), **_percentiles(taken)}
            for minute, taken in sorted(found.latencies_ms.items())
        ],
    }
    if found.memory_mb:
        sizes = [size for _, size in found.memory_mb]
        part = max(1, int(len(sizes) * _WARM_UP))
        summary["rss_mb"] = {
            "after_warm_up": median(sizes[part : 2 * part] or sizes),
            "end": median(sizes[-part:]),
            "most": max(sizes),
        }
        summary["memory_mb"] = found.memory_mb
    return summary


def _percentiles(taken: Sequence[float]) -> dict[str, float]:
    return {f"p{rank}_ms": round(float(np.percentile(taken, rank)), 1) for rank in (50, 95, 99)}


def screen(summary: dict[str, Any]) -> str:
    """Return the summary for people, at most ten of its minutes."""
    counts = "{requests} requests: {right} right, {wrong} wrong, {errors} errors, {lost} lost; {swaps} versions swapped"
    lines = [counts.format(**summary)]
    if "rss_mb" in summary:
        line = "memory (RSS): {after_warm_up:.0f} MB after warm-up, {end:.0f} MB at the end, {most:.0f} MB at most"
        lines.append(line.format(**summary["rss_mb"]))
    lines.append("  minute  requests    p50 ms    p95 ms    p99 ms")
    minutes = summary["minutes"]
    shown = minutes[:: max(1, -(-len(minutes) // 10))]
    row = "{minute:>8}{requests:>10}{p50_ms:>10}{p95_ms:>10}{p99_ms:>10}"
    lines += [row.format(**minute) for minute in shown]
    lines += [f"{count} times {message}" for message, count in list(summary["messages"].items())[:5]]
    return "\n".join([*lines, *summary["faults"]])
