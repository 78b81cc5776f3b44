"""Findings of a soak and their summary."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np

_WARM_UP = 0.1
"""Share of the run that counts as warm-up for memory."""


@dataclass(slots=True)
class Findings:
    """Answers, errors and memory of a soak.

    Attributes:
        latencies_ms: latencies of correct answers, by minute.
        wrong: number of answers that differ from the reference answer, by difference.
        errors: number of rejected or failed requests, by error message.
        lost: number of requests without any answer.
        memory_mb: pairs of seconds since the start and the server's RSS.
        swaps_s: time until each new version served.
        faults: messages about other failures.
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
        """Whether every answer was correct and no other failure occurred."""
        return not (self.wrong or self.errors or self.lost or self.faults) and bool(self.latencies_ms)


def summarise(found: Findings) -> dict[str, Any]:
    """Return the findings as a JSON object."""
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
    """Format the summary as text, with at most ten minutes."""
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
