"""Measure in rounds, to spread machine noise over all systems."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from loadtest.bench.errors import BenchError
from loadtest.bench.load import Job, Result
from loadtest.bench.results import Row, Spread
from loadtest.bench.systems import Running, Target
from loadtest.bench.workloads import Workload
from loadtest.processes import ROOT


@dataclass(frozen=True, slots=True)
class Measurement:
    """One target under one workload, with connections and duration."""

    target: Target
    workload: Workload
    connections: int
    warm_up_s: float
    seconds: float


def run_rounds(
    measurements: Sequence[Measurement],
    running: Mapping[str, Running],
    rounds: int,
    on_round: Callable[[int], None],
) -> list[Row]:
    """Run every measurement once a round.

    Raises:
        BenchError: the load generator failed, or a measurement had no answer in any round.
    """
    results: list[list[Result]] = [[] for _ in measurements]
    for number in range(rounds):
        for measurement, found in zip(measurements, results, strict=True):
            found.append(_run(measurement, running[measurement.target.system]))
        on_round(number)
    return [_row(*pair) for pair in zip(measurements, results, strict=True)]


def _run(measurement: Measurement, running: Running) -> Result:
    target = measurement.target
    job = Job(
        protocol=target.asked_by,
        port=running.port(target),
        path=target.path,
        bodies=tuple(target.body(rows) for rows in measurement.workload.requests),
        connections=measurement.connections,
        warm_up_s=measurement.warm_up_s,
        seconds=measurement.seconds,
    )
    command = [sys.executable, "-m", "loadtest.bench.load"]
    done = subprocess.run(command, cwd=ROOT, input=job.to_json(), capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    if done.returncode:
        msg = f"the load generator failed with {target.label}: {done.stderr.strip().splitlines()[-1]}"
        raise BenchError(msg)
    return Result(**json.loads(done.stdout))


def _row(measurement: Measurement, results: Sequence[Result]) -> Row:
    answered = [result for result in results if result.latencies_ms]
    if not answered:
        why = next((error for result in results for error in result.errors), "none came in time")
        msg = (
            f"{measurement.target.label} gave no answer to {measurement.workload.name} over "
            f"{measurement.connections} connections: {why}"
        )
        raise BenchError(msg)

    def percentile(rank: float) -> Spread:
        return Spread.of([float(np.percentile(result.latencies_ms, rank)) for result in answered])

    answers = sum(len(result.latencies_ms) for result in answered)
    return Row(
        target=measurement.target.label,
        workload=measurement.workload.name,
        connections=measurement.connections,
        requests_per_s=Spread.of([len(result.latencies_ms) / result.counted_s for result in results]),
        p50_ms=percentile(50),
        p95_ms=percentile(95),
        p99_ms=percentile(99),
        answers=answers,
        errors=sum(result.error_count for result in results),
        bytes_per_answer=round(sum(result.answer_bytes for result in results) / answers, 1),
        generator_us=round(1e6 * sum(result.cpu_s for result in results) / sum(r.asked for r in results), 1),
    )
