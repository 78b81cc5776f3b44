"""Measure ``/v1/classify`` beside Flask over PyTorch (``python -m loadtest.classification --help``)."""

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from loadtest.bench.errors import BenchError
from loadtest.bench.load import Job
from loadtest.bench.load import Result as Counted
from loadtest.bench.machine import describe
from loadtest.bench.results import Results, Row, Spread, SystemFigures
from loadtest.classification.files import prepare
from loadtest.classification.report import judge, markdown
from loadtest.classification.systems import OURS, RIVALS, Running, start
from loadtest.processes import ROOT, StartError, memory_mb
from loadtest.sentences import masked_sentences

CONNECTIONS = (1, 4, 16)
TEXTS = 240
AGREEMENT = 50
_WARM_UP = 0.25


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure text classification beside the usual design."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.classification", description=main.__doc__)
    parser.add_argument("--model", type=Path, help="checkpoint folder (default: random, of bert-base-chinese's size)")
    parser.add_argument(
        "--language-model",
        type=Path,
        default=Path("models/bert_mlm"),
        help="exported masked language model, which the gateway serves beside it (default %(default)s)",
    )
    parser.add_argument("--output", type=Path, default=Path("build/classification"), help="where all files go")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement (default %(default)s)")
    options = parser.parse_args(arguments)
    output: Path = options.output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    try:
        results = run(output, options.model, options.language_model, rounds=options.rounds, seconds=options.seconds)
    except (BenchError, StartError, OSError) as error:
        print(f"classification: {error}", file=sys.stderr)
        return 1
    results.save(output / "results.json")
    (output / "RESULTS.md").write_text(markdown(results), encoding="utf-8")
    print(f"/v1/classify has {judge(results)}.\nWrote {output / 'results.json'} and {output / 'RESULTS.md'}.")
    return 0


def run(output: Path, model: Path | None, language_model: Path, *, rounds: int, seconds: float) -> Results:
    """Start the systems, measure them and return the results.

    Raises:
        BenchError: the export or a measurement failed.
        StartError: a system did not start.
    """
    files = prepare(output, model, language_model)
    texts = [text.replace("[MASK]", "") for text in masked_sentences(TEXTS)]
    checkpoint = f"{model.name}." if model else "Bert-base-chinese's size, random weights, ten labels."
    results = Results(
        describe(),
        {
            "date": datetime.now(UTC).date().isoformat(),
            "checkpoint": checkpoint,
            "texts": f"{TEXTS} real sentences, one a request, the same in the same order for all.",
            "rounds": rounds,
            "seconds": seconds,
        },
    )
    with ExitStack() as stack:
        running: dict[str, Running] = {}
        for system in (*RIVALS, OURS):
            running[system.name] = stack.enter_context(start(system, files, texts[0], output))
            print(f"{system.name} answers after {running[system.name].start_s:.1f} s", flush=True)
        results.agreement = _agreement(running, texts[:AGREEMENT])
        cells = [(one, count) for count in CONNECTIONS for one in running.values()]
        counted: list[list[Counted]] = [[] for _ in cells]
        for number in range(rounds):
            for (one, count), found in zip(cells, counted, strict=True):
                found.append(_measure(one, texts, count, seconds))
            print(f"round {number + 1} of {rounds} done", flush=True)
        results.rows = [_row(one, count, found) for (one, count), found in zip(cells, counted, strict=True)]
        for name, one in running.items():
            results.systems[name] = _figures(one)
    return results


def _agreement(running: Mapping[str, Running], texts: Sequence[str]) -> dict[str, float]:
    """Return each system's agreement with the first system's labels."""
    labels = {name: [one.ask(text) for text in texts] for name, one in running.items()}
    first = next(iter(labels.values()))
    return {name: float(np.mean([a == b for a, b in zip(found, first, strict=True)])) for name, found in labels.items()}


def _measure(one: Running, texts: Sequence[str], connections: int, seconds: float) -> Counted:
    bodies = tuple(one.system.body(text) for text in texts)
    job = Job("http", one.port, one.system.path, bodies, connections, seconds * _WARM_UP, seconds)
    command = [sys.executable, "-m", "loadtest.bench.load"]
    done = subprocess.run(command, cwd=ROOT, input=job.to_json(), capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    if done.returncode:
        msg = f"the load generator failed with {one.system.name}: {done.stderr.strip().splitlines()[-1]}"
        raise BenchError(msg)
    counted = Counted(**json.loads(done.stdout))
    if not counted.latencies_ms:
        why = next(iter(counted.errors), "none came in time")
        msg = f"{one.system.name} gave no answer over {connections} connections: {why}"
        raise BenchError(msg)
    return counted


def _row(one: Running, connections: int, counted: Sequence[Counted]) -> Row:
    def percentile(rank: float) -> Spread:
        return Spread.of([float(np.percentile(each.latencies_ms, rank)) for each in counted])

    answers = sum(len(each.latencies_ms) for each in counted)
    fields: dict[str, Any] = {
        "requests_per_s": Spread.of([len(each.latencies_ms) / each.counted_s for each in counted]),
        **{f"p{rank}_ms": percentile(rank) for rank in (50, 95, 99)},
        "answers": answers,
        "errors": sum(each.error_count for each in counted),
        "bytes_per_answer": round(sum(each.answer_bytes for each in counted) / answers, 1),
        "generator_us": round(1e6 * sum(each.cpu_s for each in counted) / sum(each.asked for each in counted), 1),
    }
    return Row(one.system.name, "texts", connections, **fields)


def _figures(one: Running) -> SystemFigures:
    used = [memory_mb(process) for process in one.processes]
    rss_mb, pss_mb = (round(sum(each[kind] for each in used), 1) for kind in ("rss_mb", "pss_mb"))
    return SystemFigures(one.system.title, round(one.start_s, 2), rss_mb, pss_mb, 0.0)


if __name__ == "__main__":
    sys.exit(main())
