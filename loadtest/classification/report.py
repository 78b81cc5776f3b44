"""Write a run as Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from loadtest.bench.report import table
from loadtest.bench.results import Results, Row, Spread
from loadtest.classification.systems import OURS, RIVALS

BUSY = 16
_VNNI = frozenset({"avx_vnni", "avx512_vnni"})


@dataclass(frozen=True, slots=True)
class Verdict:
    """Ratio to the better rival, with its goal."""

    ratio: float
    goal: float

    def __str__(self) -> str:
        beside = abs(self.ratio / self.goal - 1)
        told = f"met, by {beside:.0%}" if self.ratio >= self.goal else f"MISSED, by {beside:.0%}"
        return f"{self.ratio:.3g} times Flask's requests/s at {BUSY} connections (at least {self.goal:g}): {told}"


def judge(results: Results) -> Verdict:
    """Compare the gateway with the better setting of the rival.

    Raises:
        KeyError: the run has no such measurement.
    """
    rates = [_rate(results, system.name) for system in RIVALS if results.find(system.name, "texts", BUSY)]
    goal = 4.0 if _VNNI & set(results.machine.get("instruction_sets", ())) else 3.0
    return Verdict(_rate(results, OURS.name) / max(rates), goal)


def markdown(results: Results) -> str:
    """Return the run as Markdown."""
    machine, settings = results.machine, results.settings
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    systems = [
        [name, one.title, f"{one.start_s:.1f}", f"{one.rss_mb:.0f}", f"{one.pss_mb:.0f}"]
        for name, one in results.systems.items()
    ]
    agreement = [[name, f"{share:.0%}"] for name, share in results.agreement.items()]
    on = (
        f"{settings['date']}, {machine['cores']} cores of {machine['processor']}, {machine['memory_gb']} GB, "
        f"{machine['system']}. Instruction sets: {', '.join(machine['instruction_sets'])}. {versions}."
    )
    how = (
        f"{settings['checkpoint']} {settings['texts']} Every figure is the median of {settings['rounds']} rounds of "
        f"{settings['seconds']:g} s after warm-up, in brackets the lowest and the highest round; the systems alternate "
        "within a round, and the others are idle. Closed loop; the load generator runs on the same cores."
    )
    parts = [
        "# Text classification side by side",
        on,
        how,
        f"`/v1/classify` has {judge(results)}.",
        table(["", "what it is", "first answer after s", "RSS MB", "PSS MB"], systems),
        table(["", "connections", "requests/s", "p50 ms", "p95 ms", "p99 ms", "errors"], _rows(results.rows)),
        table(["", "same label as the rival"], agreement),
    ]
    return "\n\n".join(parts) + "\n"


def _rate(results: Results, system: str) -> float:
    row = results.find(system, "texts", BUSY)
    if row is None:
        raise KeyError(system)
    return row.requests_per_s.median


def _rows(rows: Sequence[Row]) -> list[list[Any]]:
    return [
        [
            row.target,
            str(row.connections),
            *(_spread(one) for one in (row.requests_per_s, row.p50_ms, row.p95_ms, row.p99_ms)),
            str(row.errors),
        ]
        for row in rows
    ]


def _spread(spread: Spread) -> str:
    return f"{spread.median:.3g} ({spread.low:.3g}–{spread.high:.3g})"
