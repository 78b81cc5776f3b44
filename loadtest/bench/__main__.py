"""Run the benchmark (``make bench``, ``python -m loadtest.bench --help``)."""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from bert_mlm_client.tokens import Tokenizer
from bert_mlm_client.vocabulary import TokenizerConfig, Vocabulary

from deploy.embedded.engines.onnx import ONNX_FILE
from loadtest.bench.answers import agreement, client_ms, fetch
from loadtest.bench.checkpoint import DEMO
from loadtest.bench.errors import BenchError
from loadtest.bench.files import prepare
from loadtest.bench.goals import judge
from loadtest.bench.machine import describe, instruction_sets, processor
from loadtest.bench.measure import run_rounds
from loadtest.bench.peaks import peaks_mb
from loadtest.bench.plan import FULL, QUICK, Plan
from loadtest.bench.plots import draw
from loadtest.bench.report import merge
from loadtest.bench.results import Results, SystemFigures
from loadtest.bench.systems import ROUNDED, SYSTEMS, TARGETS, Files, Running, start
from loadtest.bench.workloads import Workload, mixed
from loadtest.processes import ROOT, StartError, cpu_s, memory_mb

_IDLE_S = 2.0
_AGREEMENT = 0.95
"""Least share of sentences with the same best token; two tokens that score the same to six digits may swap."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the rivals and this project's server side by side."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.bench", description=main.__doc__)
    parser.add_argument("--quick", action="store_true", help="a short run on models/demo; its figures mean nothing")
    parser.add_argument("--model", type=Path, help="checkpoint folder (default: random, of bert-base-chinese's size)")
    parser.add_argument("--output", type=Path, default=Path("build/bench"), help="where files and results.json go")
    parser.add_argument("--report", type=Path, help="where RESULTS.md and results.png go (default: --output)")
    parser.add_argument("--systems", default=",".join(SYSTEMS), help=f"some of {','.join(SYSTEMS)}")
    parser.add_argument("--rounds", type=int, help="instead of the plan's")
    parser.add_argument("--redraw", action="store_true", help="measure nothing; rewrite the report from results.json")
    options = parser.parse_args(arguments)
    plan = QUICK if options.quick else FULL
    plan = replace(plan, rounds=options.rounds or plan.rounds)
    model = options.model or (DEMO if options.quick else None)
    output: Path = options.output.resolve()
    output.mkdir(parents=True, exist_ok=True)
    try:
        if options.redraw:
            results = Results.load(output / "results.json")
        else:
            results = run(plan, model, options.systems.split(","), output)
            results.save(output / "results.json")
    except (BenchError, StartError, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    report: Path = options.report or output
    tables = report / "RESULTS.md"
    existing = tables.read_text(encoding="utf-8") if tables.is_file() else ""
    tables.write_text(merge(existing, results), encoding="utf-8")
    draw(results, report / "results.png")
    _print_goals(results)
    print(f"Wrote {output / 'results.json'}, {report / 'RESULTS.md'} and {report / 'results.png'}.")
    return 0


def run(plan: Plan, model: Path | None, names: Sequence[str], output: Path) -> Results:
    """Start the systems, measure them and return the results.

    Raises:
        BenchError: a name is unknown, or a system gave a wrong answer.
        StartError: a system did not start.
    """
    names = _in_order(names)
    _say(f"Processor: {processor()}\nInstruction sets: {', '.join(instruction_sets()) or 'unknown'}")
    files = prepare(output, model, _say)
    if "onnx" in names and not (files.servable / "1" / ONNX_FILE).is_file():
        _say(f"Without the onnx engine: {files.servable / '1'} has no {ONNX_FILE}")
        names = [name for name in names if "onnx" not in {name, SYSTEMS[name].backend}]
    tokenizer = _tokenizer(files.checkpoint)
    ids = {token: number for number, token in enumerate(tokenizer.vocabulary.tokens)}
    plan = replace(plan, lengths=tuple(length for length in plan.lengths if length <= tokenizer.config.max_length))
    targets = [target for target in TARGETS.values() if target.system in names]
    sentences = mixed(tokenizer.encode)
    rows = [row for [row] in sentences.requests]
    results = Results(describe(), _settings(plan, sentences, model))
    with ExitStack() as stack:
        running: dict[str, Running] = {}
        for name in names:
            system, log = SYSTEMS[name], output / f"{name}.log"
            running[name] = stack.enter_context(start(system, files, rows[0], log, running.get(system.backend)))
            _say(f"{name} answers after {running[name].start_s:.1f} s")
        results.agreement = agreement(targets, running, rows[: plan.agreement], ids)
        _check_agreement(results.agreement)
        for target in targets:
            if target.asked_by != "client":  # the client's figures include this time
                answer = fetch(target, running[target.system], rows[0])
                results.client_ms[target.label] = client_ms(target, answer, rows[0], ids)
        idle = _idle_percent(running)
        memory: dict[str, dict[str, float]] = {name: {"rss_mb": 0.0, "pss_mb": 0.0} for name in names}

        def on_round(number: int) -> None:
            _say(f"round {number + 1} of {plan.rounds} done")
            for name, most in memory.items():
                memory[name] = {kind: max(most[kind], now) for kind, now in memory_mb(running[name].process).items()}

        measurements = plan.measurements(targets, tokenizer.encode)
        minutes = sum(one.warm_up_s + one.seconds for one in measurements) * plan.rounds / 60
        _say(f"{len(measurements)} measurements a round; {minutes:.1f} minutes, and more for what is slow")
        results.rows = run_rounds(measurements, running, plan.rounds, on_round)
        results.engines = _engines(files, running, plan.engine_rounds)
        results.peak_mb = peaks_mb(_engine_paths(files))
        for name, one in running.items():
            figures = SystemFigures(
                one.system.title, round(one.start_s, 2), **memory[name], idle_cpu_percent=idle[name]
            )
            results.systems[name] = figures
    return results


def _in_order(names: Sequence[str]) -> list[str]:
    """Return the names in table order, backends before proxies."""
    if unknown := set(names) - set(SYSTEMS):
        msg = f"unknown system {', '.join(sorted(unknown))}; choose from {', '.join(SYSTEMS)}"
        raise BenchError(msg)
    for name in names:
        if (asked := SYSTEMS[name].backend) and asked not in names:
            msg = f"{name} is a proxy for {asked}; choose both"
            raise BenchError(msg)
    return [name for name in SYSTEMS if name in names]


def _tokenizer(checkpoint: Path) -> Tokenizer:
    told = json.loads((checkpoint / "tokenizer_config.json").read_text(encoding="utf-8"))
    config = TokenizerConfig(do_lower_case=told["do_lower_case"], max_length=told["model_max_length"])
    return Tokenizer(Vocabulary.read(checkpoint / "vocab.txt"), config)


def _settings(plan: Plan, sentences: Workload, model: Path | None) -> dict[str, Any]:
    lengths = sorted(len(row.input_ids) for [row] in sentences.requests)
    title = "bert-base-chinese's size" if model is None else model.name
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "title": title,
        "checkpoint": f"{title[0].upper()}{title[1:]}{', random weights' if model is None else ''}.",
        "sentences": f"{len(lengths)} real sentences of {lengths[0]} to {lengths[-1]} tokens, median "
        f"{median(lengths):g}, mean {sum(lengths) / len(lengths):.1f}, the same in the same order for all.",
        "rounds": plan.rounds,
        "seconds": plan.seconds,
        "single_seconds": plan.single_seconds,
        "connections": list(plan.connections),
        "lengths": list(plan.lengths),
        "counts": list(plan.counts),
    }


def _check_agreement(shares: Mapping[str, float]) -> None:
    """Fail unless all float32 systems give the same answers."""
    # Systems with different answers do different work; their speeds could not be compared.
    exact = {label: share for label, share in shares.items() if TARGETS[label].system not in ROUNDED}
    if any(share < _AGREEMENT for share in exact.values()):
        told = ", ".join(f"{label} {share:.0%}" for label, share in exact.items())
        msg = f"the systems do not give the same best tokens: {told}; remove the exported files and run again"
        raise BenchError(msg)


def _idle_percent(running: Mapping[str, Running]) -> dict[str, float]:
    """Return each system's idle CPU in percent of a core."""
    before = {name: cpu_s(one.process) for name, one in running.items()}
    time.sleep(_IDLE_S)
    return {name: round(100 * (cpu_s(one.process) - before[name]) / _IDLE_S, 1) for name, one in running.items()}


def _engines(files: Files, running: Mapping[str, Running], rounds: int) -> dict[str, dict[str, float]]:
    command = [sys.executable, "-m", "loadtest.bench.engines", "--rounds", str(rounds)]
    command += ["--version", str(files.servable / "1"), "--rival", str(files.rival)]
    command += ["--ctranslate2", str(files.ctranslate2)]
    for name in ("tensorflow", "onnx"):
        if name in running:
            command += ["--server", name, str(running[name].ports.grpc), str(running[name].ports.http)]
    if gateway := running.get("gateway"):
        command += ["--gateway", gateway.system.backend, str(gateway.ports.grpc), str(gateway.ports.http)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    if done.returncode:
        msg = f"timing the engines alone failed: {done.stderr.strip().splitlines()[-1]}"
        raise BenchError(msg)
    timed: dict[str, dict[str, float]] = json.loads(done.stdout)
    return timed


def _engine_paths(files: Files) -> dict[str, Path]:
    """Return what each engine loads, alone."""
    version = files.servable / "1"
    paths = {"tensorflow": version, "onnx": version, "ctranslate2": files.ctranslate2}
    return paths if (version / ONNX_FILE).is_file() else {name: path for name, path in paths.items() if name != "onnx"}


def _print_goals(results: Results) -> None:
    for verdict in judge(results):
        figure = "" if verdict.figure is None else f"{verdict.figure:.3g}"
        print(f"{verdict.goal.text:<76}{figure:>8}  ({verdict.goal.sense} {verdict.limit:g})  {verdict}")


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
