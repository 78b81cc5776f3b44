"""Measure the calculator's prediction beside a real run.

    python -m loadtest.sizing.check

exports models/demo to a temporary folder and runs the one-process gateway on some cores, the load generator on the
others. Closed loops and Poisson arrivals alternate in rounds, so that other load on the machine meets both; each
prediction comes from this run's closed loops. The exit status is 1 if an error is above ``--limit``.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from loadtest.processes import StartError
from loadtest.sizing.errors import SizingError
from loadtest.sizing.measure import MODELS, closed_loops, export_model, mixed_texts, series_of
from loadtest.sizing.measured import Point, Series
from loadtest.sizing.predict import Times, predict
from loadtest.sizing.replica import OpenFigures, Replica, check_cores, open_loop, run_replica

_CLOSED_S = 1.5


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the calculator's prediction beside a real run."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.sizing.check", description=main.__doc__)
    parser.add_argument("--model", default="demo", choices=MODELS)
    parser.add_argument("--servable", type=Path, help="folder of exported versions (default: export the model)")
    parser.add_argument("--cores", type=int, default=1, help="cores of the gateway (default: 1)")
    parser.add_argument("--shares", default="0.4,0.7", help="rates, as shares of the throughput (default: 0.4,0.7)")
    parser.add_argument("--seconds", type=float, default=24.0, help="of each rate, over all rounds (default: 24)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=float, default=15.0, help="largest error in percent (default: 15)")
    options = parser.parse_args(arguments)
    try:
        check_cores(options.cores)
        shares = [float(share) for share in options.shares.split(",")]
        if options.rounds < 1 or options.seconds <= 0 or not all(0 < share < 1 for share in shares):
            parser.error("--shares are above 0 and below 1, --seconds above 0, --rounds at least 1")
        with tempfile.TemporaryDirectory(prefix="sizing-") as work:
            servable = options.servable or export_model(options.model, Path(work))
            with run_replica(servable, options.cores, Path(work, "run")) as replica:
                series, opened = _rounds(replica, options, shares)
    except ValueError:
        parser.error(f"--shares are numbers with commas between, not {options.shares}")
    except (SizingError, StartError) as error:
        print(f"sizing: {error}", file=sys.stderr)
        return 1
    worst = max(_show(series, rate, figures) for rate, figures in opened.items())
    print(f"largest error {worst:.1f} %, limit {options.limit:g} %")
    return int(worst > options.limit)


def _rounds(
    replica: Replica, options: argparse.Namespace, shares: Sequence[float]
) -> tuple[Series, dict[float, list[OpenFigures]]]:
    """Return the closed loops' series and each rate's figures."""
    texts = mixed_texts()
    points: list[list[Point]] = [closed_loops(replica, texts, _CLOSED_S)]  # also the warm-up
    first = series_of(options.model, texts, options.cores, replica.memory_mb, points)
    rates = [round(share * Times.of(first).capacity_s, 1) for share in shares]
    opened: dict[float, list[OpenFigures]] = {rate: [] for rate in rates}
    for number in range(options.rounds):
        for rate, found in opened.items():
            found.append(open_loop(replica, texts.texts, rate, options.seconds / options.rounds, seed=number))
        points.append(closed_loops(replica, texts, _CLOSED_S))
    return series_of(options.model, texts, options.cores, replica.memory_mb, points), opened


def _show(series: Series, rate: float, figures: Sequence[OpenFigures]) -> float:
    """Print one rate and return its largest error in percent."""
    predicted = predict(series, rate)
    pairs = {
        "requests/s": (predicted.requests_per_s, median(one.requests_per_s for one in figures)),
        "p95 ms": (predicted.p95_ms, median(one.p95_ms for one in figures)),
        "cores busy": (predicted.cores_busy, median(one.cores_busy for one in figures)),
        "memory MB": (predicted.memory_mb, median(one.memory_mb for one in figures)),
    }
    late_ms, failed = max(one.late_ms for one in figures), sum(one.errors for one in figures)
    why = next((f" ({one.first_error})" for one in figures if one.errors), "")
    print(f"\n{rate:g} requests/s, {failed} errors{why}, the generator at most {late_ms:.1f} ms late")
    print(f"  {'':<12}{'predicted':>10}{'measured':>10}{'error %':>9}")
    errors = []
    for name, (told, real) in pairs.items():
        errors.append(100 * (told / real - 1))
        print(f"  {name:<12}{told:>10.2f}{real:>10.2f}{errors[-1]:>+9.1f}", flush=True)
    return max(abs(error) for error in errors)


if __name__ == "__main__":
    sys.exit(main())
