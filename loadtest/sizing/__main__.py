"""Compute replicas, cores and memory for a rate and target.

    python -m loadtest.sizing --rps 500 --p95-ms 100
    python -m loadtest.sizing --measure
    python -m loadtest.sizing --from-bench build/bench/results.json

The first uses the measured closed loops in ``measured.json``; the others replace those of the same systems and models.
SIZING.md explains the model.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from loadtest.processes import StartError
from loadtest.sizing.errors import SizingError
from loadtest.sizing.from_bench import read_bench
from loadtest.sizing.measure import MODELS, SYSTEM, measure
from loadtest.sizing.measured import DATA, Series, choose, load, merge, save
from loadtest.sizing.predict import Times
from loadtest.sizing.size import size


def main(arguments: Sequence[str] | None = None) -> int:
    """Compute replicas, cores and memory for a rate and target."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.sizing", description=main.__doc__)
    parser.add_argument("--rps", type=float, help="requests a second, one text each")
    parser.add_argument("--p95-ms", type=float, help="target of the 95th percentile")
    parser.add_argument("--system", default=SYSTEM, help=f"as --list shows them (default: {SYSTEM})")
    parser.add_argument("--model", default="bert-base", help="bert-base for its size, or demo (default: bert-base)")
    parser.add_argument("--tokens", type=float, default=18.5, help="mean length of a text (default: 18.5)")
    parser.add_argument("--cores", type=int, help="cores of a replica (default: the most that were measured)")
    parser.add_argument("--headroom", type=float, default=0.2, help="share kept free for peaks (default: 0.2)")
    parser.add_argument("--data", type=Path, default=DATA, help="the data file (default: the committed one)")
    parser.add_argument("--list", action="store_true", help="print what N cores of each measured system give")
    parser.add_argument("--measure", action="store_true", help=f"measure {SYSTEM} here, on an idle machine")
    parser.add_argument("--models", default=",".join(MODELS), help=f"with --measure (default: {','.join(MODELS)})")
    parser.add_argument("--rounds", type=int, default=3, help="with --measure (default: 3)")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each closed loop with --measure (default: 2)")
    parser.add_argument("--from-bench", type=Path, metavar="FILE", help="read the systems of make bench's results.json")
    options = parser.parse_args(arguments)
    try:
        if options.measure:
            models = options.models.split(",")
            _replace(options.data, measure(models, options.cores or 1, options.rounds, options.seconds, _say))
        elif options.from_bench:
            _replace(options.data, read_bench(options.from_bench))
        elif options.list:
            _list(load(options.data))
        elif options.rps is None or options.p95_ms is None:
            parser.error("give --rps and --p95-ms, or one of --list, --measure, --from-bench")
        else:
            _answer(options)
    except (SizingError, StartError) as error:
        print(f"sizing: {error}", file=sys.stderr)
        return 1
    return 0


def _answer(options: argparse.Namespace) -> None:
    series = choose(load(options.data), options.system, options.model, options.tokens, options.cores)
    found = size(series, options.rps, options.p95_ms, options.headroom)
    each = found.each
    print(f"{series.system} with {series.model}, {series.tokens:g} tokens a text ({series.source})")
    print(f"  replicas        {found.replicas} of {series.cores} {'core' if series.cores == 1 else 'cores'}")
    print(f"  cores           {found.cores}")
    print(f"  memory          {found.memory_mb:.0f} MB ({series.memory_mb:.0f} MB a replica)")
    print(f"  each replica    {each.requests_per_s:.1f} requests/s of at most {Times.of(series).capacity_s:.1f}")
    print(f"  p50, p95        {each.p50_ms:.1f} ms, {each.p95_ms:.1f} ms (target {options.p95_ms:g} ms)")
    print(f"  CPU             {each.cores_busy * found.replicas:.2f} cores busy")
    print(f"  headroom        the target holds up to {options.rps / (1 - options.headroom):.0f} requests/s")


def _list(series: Sequence[Series]) -> None:
    print(f"{'system':<18}{'model':<11}{'tokens':>7}{'cores':>7}{'requests/s at most':>20}{'a core':>8}{'MB':>7}")
    for one in series:
        most = Times.of(one).capacity_s
        print(
            f"{one.system:<18}{one.model:<11}{one.tokens:>7g}{one.cores:>7}{most:>20.1f}"
            f"{most / one.cores:>8.1f}{one.memory_mb:>7.0f}"
        )


def _replace(path: Path, found: Sequence[Series]) -> None:
    save(merge(load(path) if path.is_file() else [], found), path)
    print(f"Wrote {len(found)} series to {path}.")


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
