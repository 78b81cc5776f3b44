"""Run and load the one-process gateway on separate cores."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from loadtest.bench.load import Job, Result
from loadtest.processes import ROOT, cpu_s, free_port, http, memory_mb, serve
from loadtest.sizing.errors import SizingError
from loadtest.sizing.measured import Point
from loadtest.sizing.open_load import OpenJob, OpenResult

MODEL = "bert_mlm"
PATH = "/predict"
_WARM_UP_S = 1.0


@dataclass(frozen=True, slots=True)
class Replica:
    """A running gateway with the light engine in its process."""

    port: int
    process: "subprocess.Popen[bytes]"

    @property
    def memory_mb(self) -> float:
        """The memory of its processes (RSS)."""
        return memory_mb(self.process)["rss_mb"]


@dataclass(frozen=True, slots=True)
class OpenFigures:
    """What a replica did under Poisson arrivals.

    Attributes:
        late_ms: the largest delay of the generator.
        errors: answers without status 200.
        first_error: why the first of them failed.
    """

    requests_per_s: float
    p95_ms: float
    cores_busy: float
    memory_mb: float
    late_ms: float
    errors: int
    first_error: str


def check_cores(cores: int) -> None:
    """Check that a core is left for the load generator.

    Raises:
        SizingError: there is none, or the system has no CPU affinity.
    """
    if not hasattr(os, "sched_setaffinity"):
        msg = "this system cannot bind a process to cores; measure on Linux"
        raise SizingError(msg)
    usable = len(os.sched_getaffinity(0))
    if not 1 <= cores < usable:
        msg = f"{cores} cores for the server leave none of {usable} for the load generator; choose 1 to {usable - 1}"
        raise SizingError(msg)


@contextmanager
def run_replica(servable: Path, cores: int, folder: Path) -> Iterator[Replica]:
    """Run a gateway on the first ``cores`` cores.

    This process keeps the others.

    Raises:
        SizingError: no core is left for the load generator.
        StartError: it did not start.
    """
    check_cores(cores)
    usable = os.sched_getaffinity(0)
    ordered = sorted(usable)
    port = free_port()
    command = ["-m", "deploy.gateway", "serve", f"--port={port}", f"--log-folder={folder / 'log'}"]
    command += ["--engine=onnx", f"--engine-threads={cores}"]
    command += [f"--model-name={MODEL}", f"--model-folder={servable.resolve()}"]
    environment = {"PYTHONPATH": os.pathsep.join([str(ROOT / "client"), str(ROOT)])}
    try:
        os.sched_setaffinity(0, ordered[:cores])  # the child inherits them
        with serve(
            command, ready=lambda: http(port, "GET", "/readyz"), log=folder / "output", environment=environment
        ) as process:
            os.sched_setaffinity(0, ordered[cores:])
            yield Replica(port, process)
    finally:
        os.sched_setaffinity(0, usable)


def closed_loop(replica: Replica, texts: Sequence[str], connections: int, seconds: float) -> Point:
    """Load a replica over a number of connections.

    Raises:
        SizingError: a request failed.
    """
    job = Job("http", replica.port, PATH, _bodies(texts), connections, _WARM_UP_S, seconds)
    before, loop_before = cpu_s(replica.process), _loop_s(replica)
    result = Result(**json.loads(_generate("loadtest.bench.load", job.to_json())))
    if result.errors or not result.latencies_ms:
        msg = f"a request over {connections} connections failed: {next(iter(result.errors), 'no answer came in time')}"
        raise SizingError(msg)
    ranked = sorted(result.latencies_ms)
    return Point(
        connections,
        round(len(ranked) / result.counted_s, 2),
        round(percentile(ranked, 0.5), 3),
        round(percentile(ranked, 0.95), 3),
        round(1000 * (cpu_s(replica.process) - before) / result.asked, 3),
        round(1000 * (_loop_s(replica) - loop_before) / result.asked, 3),
    )


def open_loop(
    replica: Replica, texts: Sequence[str], requests_per_s: float, seconds: float, seed: int = 0
) -> OpenFigures:
    """Load a replica with Poisson arrivals.

    Raises:
        SizingError: there was no answer.
    """
    job = OpenJob(replica.port, PATH, _bodies(texts), requests_per_s, _WARM_UP_S, seconds, seed)
    before = cpu_s(replica.process)
    result = OpenResult(**json.loads(_generate("loadtest.sizing.open_load", job.to_json())))
    used_s = cpu_s(replica.process) - before
    if not result.latencies_ms:
        msg = f"no request at {requests_per_s:g} a second was answered ({result.first_error})"
        raise SizingError(msg)
    return OpenFigures(
        requests_per_s=len(result.latencies_ms) / seconds,
        p95_ms=percentile(sorted(result.latencies_ms), 0.95),
        cores_busy=used_s / (_WARM_UP_S + seconds),
        memory_mb=replica.memory_mb,
        late_ms=result.late_ms,
        errors=result.errors,
        first_error=result.first_error,
    )


def percentile(ranked: Sequence[float], rank: float) -> float:
    """Return a percentile of sorted values."""
    return ranked[min(int(rank * len(ranked)), len(ranked) - 1)]


def _loop_s(replica: Replica) -> float:
    """Return the CPU time of the gateway's main thread."""
    pid = replica.process.pid
    [main] = [thread for thread in psutil.Process(pid).threads() if thread.id == pid]
    return float(main.user_time + main.system_time)


def _bodies(texts: Sequence[str]) -> tuple[bytes, ...]:
    return tuple(json.dumps({"text": text}, ensure_ascii=False).encode() for text in texts)


def _generate(module: str, job: str) -> str:
    command = [sys.executable, "-m", module]
    done = subprocess.run(command, cwd=ROOT, input=job, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    if done.returncode:
        msg = f"the load generator failed: {done.stderr.strip().splitlines()[-1]}"
        raise SizingError(msg)
    return done.stdout
