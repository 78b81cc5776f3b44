"""Compare the gateways of two checkouts under load.

    git worktree add --detach build/old e47a9e1
    python -m loadtest.gateway_speed --old build/old
    python -m loadtest.gateway_speed --old build/old --profile

``old`` and ``new`` are a gateway before a light server, ``one`` is this checkout's gateway with the light engine in its
own process. All serve the same version and are loaded one after the other in each of several rounds, so that other load
on the machine affects all of them; CPU time per request, which it affects least, is that of whole processes. With
``--profile``, each process is then sampled under load by py-spy (``pip install py-spy``), and the CPU time of its main
thread is divided by function.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil

from loadtest.bench.load import Job, Result
from loadtest.processes import ROOT, cpu_s, free_port, http, memory_mb, serve
from loadtest.sampling import packages, sample
from loadtest.sentences import masked_sentences, text_of

MODEL = "bert_mlm"
SENTENCES = 240
TEN = 10
CHARACTERS = 14
FUNCTIONS = 25
PROFILE_S = 8
_WARM_UP_S = 0.5


@dataclass(frozen=True, slots=True)
class System:
    """A gateway with its engine.

    Attributes:
        name: its name in tables.
        tree: the checkout.
        python: the checkout's interpreter.
        in_process: whether the engine runs in the gateway's process.
    """

    name: str
    tree: Path
    python: Path
    in_process: bool = False


@dataclass(frozen=True, slots=True)
class Running:
    """A started system.

    Attributes:
        port: the gateway's port.
        processes: its processes by name.
    """

    port: int
    processes: Mapping[str, "subprocess.Popen[bytes]"]


@dataclass(frozen=True, slots=True)
class Load:
    """A kind of load.

    Attributes:
        name: its name in tables.
        path: the target of the requests.
        bodies: the requests.
        connections: the number of connections.
    """

    name: str
    path: str
    bodies: tuple[bytes, ...]
    connections: int


@dataclass(frozen=True, slots=True)
class Figures:
    """A system's figures under one load.

    Attributes:
        requests_s: requests a second.
        p50_ms: the median latency.
        cpu_ms: CPU time per request by process.
    """

    requests_s: float
    p50_ms: float
    cpu_ms: Mapping[str, float]


def loads() -> list[Load]:
    """Return the loads of the comparison.

    They are real sentences over 1 and 16 connections, and requests of one and of ten sentences.
    """
    sentences = tuple(_json({"text": text}) for text in masked_sentences(SENTENCES))
    one = text_of(CHARACTERS)
    return [
        Load("1 connection", "/predict", sentences, 1),
        Load("16 connections", "/predict", sentences, 16),
        Load("1 sentence", "/v1/fill-mask", (_json({"inputs": [one]}),), 1),
        Load("10 sentences", "/v1/fill-mask", (_json({"inputs": [one] * TEN}),), 1),
    ]


@contextmanager
def run_system(system: System, servable: Path, folder: Path) -> Iterator[Running]:
    """Run a system during the block."""
    port = free_port()
    gateway = ["-m", "deploy.gateway", "serve", f"--port={port}", f"--model-name={MODEL}"]
    gateway += [f"--log-folder={folder / system.name}"]
    processes = {}
    with ExitStack() as stack:
        if system.in_process:
            gateway += ["--engine=onnx", f"--model-folder={servable}"]
        else:
            grpc_port, rest_port = free_port(), free_port()
            server = ["-m", "deploy.embedded", f"--port={grpc_port}", f"--rest_api_port={rest_port}", "--engine=onnx"]
            server += [f"--model_name={MODEL}", f"--model_base_path={servable}"]
            processes["server"] = stack.enter_context(
                _process(system, server, rest_port, f"/v1/models/{MODEL}/metadata", folder / f"{system.name}.server")
            )
            gateway += [f"--serving-url=grpc://127.0.0.1:{grpc_port}"]
        processes["gateway"] = stack.enter_context(
            _process(system, gateway, port, "/readyz", folder / f"{system.name}.gateway")
        )
        yield Running(port, processes)


def measure(running: Running, load: Load, seconds: float) -> Figures:
    """Load a system and return its figures."""
    before = {name: cpu_s(process) for name, process in running.processes.items()}
    with _generator(running, load, seconds) as generator:
        result = _result(generator)
    cpu_ms = {
        name: 1000 * (cpu_s(process) - before[name]) / result.asked for name, process in running.processes.items()
    }
    return Figures(len(result.latencies_ms) / result.counted_s, median(result.latencies_ms), cpu_ms)


def show(load: Load, rounds: Sequence[Mapping[str, Figures]]) -> None:
    """Print a table of the systems under one load."""
    print(f"\n{load.name:16}{'requests/s':>24}{'times the first':>18}{'p50 ms':>10}   CPU ms a request")
    first = next(iter(rounds[0]))
    for name in rounds[0]:
        found = [figures[name] for figures in rounds]
        rates = [one.requests_s for one in found]
        cpu = {part: median(one.cpu_ms[part] for one in found) for part in found[0].cpu_ms}
        ratio = median(figures[name].requests_s / figures[first].requests_s for figures in rounds)
        p50 = median(one.p50_ms for one in found)
        spent = " + ".join(f"{part} {figure:.2f}" for part, figure in cpu.items())
        rate = f"{median(rates):.0f} ({min(rates):.0f}-{max(rates):.0f})"
        print(f"  {name:14}{rate:>24}{ratio:>18.2f}{p50:>10.2f}   {spent}", flush=True)


def profile(name: str, running: Running, load: Load, folder: Path) -> None:
    """Print each process's CPU time per request and function.

    The time of each thread is printed, too.
    """
    for part, process in running.processes.items():
        before = _thread_ms(process.pid)
        with _generator(running, load, PROFILE_S + 2.0) as generator:
            functions = sample(process.pid, PROFILE_S, folder)
            asked = _result(generator).asked
        spent = {thread: (ms - before.get(thread, 0.0)) / asked for thread, ms in _thread_ms(process.pid).items()}
        main = spent[process.pid]
        ms = main / max(functions.total(), 1)
        print(f"\n{name}, {part}, {load.name}: {main:.3f} ms CPU a request in the main thread, ", end="")
        print(f"{sum(spent.values()) - main:.3f} in others (engine, gRPC, log)")
        for package, count in packages(functions).most_common(FUNCTIONS // 2):
            print(f"  {count * ms:8.3f}  {package}")
        print("  by function, without the functions that it calls:")
        for (file, function), count in functions.most_common(FUNCTIONS):
            print(f"  {count * ms:8.3f}  {function:36}{file}", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare the gateways of two checkouts under load."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.gateway_speed", description=main.__doc__)
    parser.add_argument("--old", type=Path, help="the checkout to compare with")
    parser.add_argument("--old-python", type=Path, help="its interpreter (default: that of its .venv, else this one)")
    parser.add_argument("--servable", type=Path, default=ROOT / "models" / MODEL, help="folder of the served versions")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each load in each round (3)")
    parser.add_argument("--profile", action="store_true", help="divide the CPU time by function")
    options = parser.parse_args(arguments)
    systems = [System("new", ROOT, Path(sys.executable)), System("one", ROOT, Path(sys.executable), in_process=True)]
    if options.old:
        systems.insert(0, System("old", options.old.resolve(), options.old_python or _python(options.old.resolve())))
    kinds = loads()
    with tempfile.TemporaryDirectory() as work, ExitStack() as stack:
        folder, servable = Path(work), options.servable.resolve()
        running = {one.name: stack.enter_context(run_system(one, servable, folder)) for one in systems}
        rounds = [
            {load.name: {name: measure(one, load, options.seconds) for name, one in running.items()} for load in kinds}
            for _ in range(options.rounds)
        ]
        for load in kinds:
            show(load, [figures[load.name] for figures in rounds])
        _show_ten(rounds)
        _show_memory(running)
        if options.profile:
            for system, one in running.items():
                profile(system, one, kinds[1], folder)


def _show_ten(rounds: Sequence[Mapping[str, Mapping[str, Figures]]]) -> None:
    print("\n10 sentences in one request, times one (p50)")
    for name in rounds[0]["1 sentence"]:
        ratios = [found["10 sentences"][name].p50_ms / found["1 sentence"][name].p50_ms for found in rounds]
        print(f"  {name:14}{median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})")


def _show_memory(running: Mapping[str, Running]) -> None:
    print("\nMemory after the load, MB (PSS)")
    for name, one in running.items():
        parts = {part: memory_mb(process)["pss_mb"] for part, process in one.processes.items()}
        shown = " + ".join(f"{part} {figure:.0f}" for part, figure in parts.items())
        print(f"  {name:14}{sum(parts.values()):.0f} ({shown})", flush=True)


def _process(
    system: System, arguments: Sequence[str], port: int, path: str, log: Path
) -> AbstractContextManager["subprocess.Popen[bytes]"]:
    environment = {"PYTHONPATH": os.pathsep.join([str(system.tree / "client"), str(system.tree)])}
    return serve(
        arguments,
        ready=lambda: http(port, "GET", path),
        log=log,
        environment=environment,
        python=system.python,
        root=system.tree,
    )


@contextmanager
def _generator(running: Running, load: Load, seconds: float) -> Iterator["subprocess.Popen[str]"]:
    """Start a load generator in a subprocess."""
    job = Job("http", running.port, load.path, load.bodies, load.connections, _WARM_UP_S, seconds)
    command = [sys.executable, "-m", "loadtest.bench.load"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own words
        assert process.stdin  # noqa: S101  both are pipes
        process.stdin.write(job.to_json())
        process.stdin.close()
        yield process


def _result(generator: "subprocess.Popen[str]") -> Result:
    assert generator.stdout  # noqa: S101  a pipe
    result = Result(**json.loads(generator.stdout.read()))
    if result.errors:
        sys.exit(f"gateway_speed: {result.errors[0]}")
    return result


def _thread_ms(pid: int) -> dict[int, float]:
    """Return the CPU time of each thread.

    The id of the main thread is that of the process.
    """
    return {thread.id: 1000 * (thread.user_time + thread.system_time) for thread in psutil.Process(pid).threads()}


def _python(tree: Path) -> Path:
    own = tree / ".venv" / "bin" / "python"
    return own if own.exists() else Path(sys.executable)


def _json(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()


if __name__ == "__main__":
    main()
