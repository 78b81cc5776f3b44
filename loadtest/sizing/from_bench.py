"""Read closed loops from the benchmark's results.json."""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from loadtest.bench.results import Results, Row
from loadtest.bench.systems import SYSTEMS, TARGETS
from loadtest.sizing.errors import SizingError
from loadtest.sizing.measured import Point, Series

_MEAN = re.compile(r"mean ([\d.]+)")
_OURS = ("tensorflow", "bf16", "onnx", "gateway", "one-process")
_LENGTH = re.compile(r"(\d+) tokens")


def read_bench(path: Path) -> list[Series]:
    """Return the series of this project's systems in a results.json.

    The mixed sentences were measured over several connections, other lengths over one. A length's series is that of
    the mixed sentences with all times multiplied by the ratio of the medians over one connection.

    Raises:
        SizingError: it cannot be read, or has no such measurements.
    """
    try:
        results = Results.load(path)
    except OSError as error:
        msg = f"{path} cannot be read ({error.strerror}); run `make bench` first"
        raise SizingError(msg) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"{path} is not a results.json of the benchmark ({error})"
        raise SizingError(msg) from error
    mean = _MEAN.search(results.settings.get("sentences", ""))
    if mean is None:
        msg = f"{path} does not say the mean length of its sentences; run `make bench` again"
        raise SizingError(msg)
    found = [
        series
        for target in TARGETS.values()
        if target.system in _OURS and target.system in results.systems and "logits" not in target.label
        for series in _series(results, target.label, target.system, float(mean[1]))
    ]
    if not found:
        msg = f"{path} has none of {', '.join(_OURS)}; run `make bench` with them"
        raise SizingError(msg)
    return found


def _series(results: Results, label: str, system: str, mean_tokens: float) -> list[Series]:
    rows = sorted(
        (row for row in results.rows if row.target == label and row.workload == "mixed"),
        key=lambda row: row.connections,
    )
    if len(rows) < 2:  # two numbers are fitted
        return []
    cores = int(results.machine["cores"])
    memory_mb = sum(results.systems[name].rss_mb for name in (system, SYSTEMS[system].backend) if name)
    source = f"{results.settings['date']}, {results.machine['processor']}, make bench"
    model = "bert-base" if "bert-base" in results.settings["title"] else results.settings["title"]
    name = label.lower().replace(" ", "-")

    def scaled(tokens: float, factor: float) -> Series:
        points = tuple(_point(row, cores, factor) for row in rows)
        return Series(name, model, tokens, cores, round(memory_mb, 1), source, points)

    medians = _medians_by_length(results, label)
    if len(medians) < 2:
        return [scaled(mean_tokens, 1.0)]
    at_mean = float(np.interp(mean_tokens, list(medians), list(medians.values())))
    lengths = {tokens: ms / at_mean for tokens, ms in medians.items()} | {mean_tokens: 1.0}
    return [scaled(tokens, factor) for tokens, factor in sorted(lengths.items())]


def _medians_by_length(results: Results, label: str) -> Mapping[float, float]:
    """Return the median latency over one connection by length."""
    found = {}
    for row in results.rows:
        match = _LENGTH.fullmatch(row.workload)
        if match and row.target == label and row.connections == 1:
            found[float(match[1])] = row.p50_ms.median
    return dict(sorted(found.items()))


def _point(row: Row, cores: int, factor: float) -> Point:
    """Return a point with all cores busy."""
    rate = row.requests_per_s.median / factor
    return Point(
        row.connections,
        round(rate, 2),
        round(row.p50_ms.median * factor, 3),
        round(row.p95_ms.median * factor, 3),
        round(1000 * cores / rate, 3),
    )
