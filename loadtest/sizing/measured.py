"""Measured closed loops, the data of the calculator."""

import json
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from loadtest.sizing.errors import SizingError

DATA = Path(__file__).with_name("measured.json")


@dataclass(frozen=True, slots=True)
class Point:
    """A closed loop over a number of connections.

    Each connection sends its next request after its answer.

    Attributes:
        cpu_ms: the server's CPU time for a request.
        loop_ms: the part of its event loop, 0 if unknown.
    """

    connections: int
    requests_per_s: float
    p50_ms: float
    p95_ms: float
    cpu_ms: float
    loop_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Series:
    """One replica with texts of one mean length.

    Attributes:
        system: for example one-process, tensorflow-grpc.
        model: bert-base for its size, demo for models/demo.
        tokens: mean length of a text in tokens.
        cores: cores of the replica.
        memory_mb: its memory under load (RSS, all its processes).
        source: processor, date and command of the measurement.
        points: by number of connections.
    """

    system: str
    model: str
    tokens: float
    cores: int
    memory_mb: float
    source: str
    points: tuple[Point, ...]


def load(path: Path = DATA) -> list[Series]:
    """Read a data file.

    Raises:
        SizingError: it is missing or damaged.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["series"]
        return [Series(**{**row, "points": tuple(Point(**point) for point in row["points"])}) for row in rows]
    except OSError as error:
        msg = f"{path} cannot be read ({error.strerror}); measure with --measure"
        raise SizingError(msg) from error
    except (ValueError, KeyError, TypeError) as error:
        msg = f"{path} is not a data file of this command ({error}); measure again with --measure"
        raise SizingError(msg) from error


def save(series: Sequence[Series], path: Path = DATA) -> None:
    """Write a data file."""
    text = json.dumps({"series": [asdict(one) for one in series]}, indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def merge(old: Sequence[Series], new: Sequence[Series]) -> list[Series]:
    """Replace all series of the newly measured systems and models."""
    replaced = {(one.system, one.model) for one in new}
    kept = [one for one in old if (one.system, one.model) not in replaced]
    return sorted([*kept, *new], key=lambda one: (one.model, one.system, one.cores, one.tokens))


def choose(series: Sequence[Series], system: str, model: str, tokens: float, cores: int | None = None) -> Series:
    """Return a system's series, interpolated between two lengths.

    Args:
        series: the data.
        system: the system's name.
        model: the model's name.
        tokens: mean length of a text.
        cores: cores of a replica; None is the largest measured number.

    Raises:
        SizingError: it was not measured.
    """
    found = [one for one in series if (one.system, one.model) == (system, model)]
    if not found:
        known = ", ".join(sorted({f"{one.system} with {one.model}" for one in series}))
        msg = f"{system} with {model} was not measured; choose from {known}"
        raise SizingError(msg)
    sizes = sorted({one.cores for one in found})
    if cores is None:
        cores = sizes[-1]
    if cores not in sizes:
        msg = f"{system} with {model} was measured with {_listed(sizes)} cores a replica, not {cores}"
        raise SizingError(msg)
    by_length = sorted((one for one in found if one.cores == cores), key=lambda one: one.tokens)
    if not by_length[0].tokens <= tokens <= by_length[-1].tokens:
        span = f"{by_length[0].tokens:g} to {by_length[-1].tokens:g}"
        msg = f"{system} with {model} was measured with texts of {span} tokens, not {tokens:g}"
        raise SizingError(msg)
    place = bisect_left(by_length, tokens, key=lambda one: one.tokens)
    high = by_length[place]
    if high.tokens == tokens:
        return high
    low = by_length[place - 1]
    share = (tokens - low.tokens) / (high.tokens - low.tokens)
    points = tuple(_between(*pair, share) for pair in zip(low.points, high.points, strict=True))
    return replace(high, tokens=tokens, points=points, memory_mb=max(low.memory_mb, high.memory_mb))


def _between(low: Point, high: Point, share: float) -> Point:
    """Interpolate between two lengths.

    The time of a request is linear in its tokens.
    """

    def mean(figure: Callable[[Point], float]) -> float:
        return figure(low) + share * (figure(high) - figure(low))

    return Point(
        high.connections,
        1 / mean(lambda point: 1 / point.requests_per_s),
        mean(lambda point: point.p50_ms),
        mean(lambda point: point.p95_ms),
        mean(lambda point: point.cpu_ms),
        mean(lambda point: point.loop_ms),
    )


def _listed(numbers: Sequence[int]) -> str:
    return " or ".join(str(number) for number in numbers)
