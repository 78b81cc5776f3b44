"""Results of a run, as stored in results.json."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and range of a figure over the rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Return the spread of one value per round."""
        return cls(*(round(value, 3) for value in (median(values), min(values), max(values))))


@dataclass(frozen=True, slots=True)
class Row:
    """Figures of one target, workload and number of connections.

    Attributes:
        answers: number of counted answers over all rounds.
        errors: number of errors over all rounds.
        bytes_per_answer: size of the answer's body.
        generator_us: the load generator's own CPU time for a request.
    """

    target: str
    workload: str
    connections: int
    requests_per_s: Spread
    p50_ms: Spread
    p95_ms: Spread
    p99_ms: Spread
    answers: int
    errors: int
    bytes_per_answer: float
    generator_us: float


@dataclass(frozen=True, slots=True)
class SystemFigures:
    """Start time, memory and idle CPU of a system.

    Attributes:
        start_s: from the start of its process to its first answer.
        rss_mb: all its processes after load, maximum of the rounds; a shared page counts in each process.
        pss_mb: the same, a shared page counts once.
        idle_cpu_percent: of one core, without requests.
    """

    title: str
    start_s: float
    rss_mb: float
    pss_mb: float
    idle_cpu_percent: float


@dataclass(slots=True)
class Results:
    """A whole run.

    Attributes:
        machine: hardware, system and package versions.
        settings: rounds, seconds, the checkpoint, the sentences.
        systems: figures by system name.
        rows: one row per measurement.
        engines: p50_ms and p95_ms of the engines alone and of the same request over the network, in one run.
        peak_mb: peak memory of each engine in a process of its own.
        client_ms: the client's time to parse one answer down to its best token, by target.
        agreement: the share of sentences with the rival's own best token, by target.
    """

    machine: Mapping[str, Any]
    settings: Mapping[str, Any]
    systems: dict[str, SystemFigures] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    engines: dict[str, dict[str, float]] = field(default_factory=dict)
    peak_mb: dict[str, float] = field(default_factory=dict)
    client_ms: dict[str, float] = field(default_factory=dict)
    agreement: dict[str, float] = field(default_factory=dict)

    def find(self, target: str, workload: str, connections: int = 1) -> Row | None:
        """Return one measurement, or None if it was not made."""
        for row in self.rows:
            if (row.target, row.workload, row.connections) == (target, workload, connections):
                return row
        return None

    def save(self, path: Path) -> None:
        """Write the run as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a run."""
        fields = json.loads(path.read_text(encoding="utf-8"))
        fields["systems"] = {name: SystemFigures(**figures) for name, figures in fields["systems"].items()}
        fields["rows"] = [_row(row) for row in fields["rows"]]
        return cls(**fields)


def _row(fields: Mapping[str, Any]) -> Row:
    read: dict[str, Any] = {
        name: Spread(**value) if isinstance(value, dict) else value for name, value in fields.items()
    }
    return Row(**read)
