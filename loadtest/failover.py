"""Kill one of two servers behind one client under load and start it again: what fails, and who does the work.

    python -m loadtest.failover --servable models/bert_mlm --seconds 10
    python -m loadtest.failover --protocol rest -- --engine=onnx

Threads ask one client without pause. Prints for each phase the calls, those that failed, what each server says it
answered, and how long calls took. Ends with status 1 if a call failed or the share of load did not come back.
"""

import argparse
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import Self

import numpy as np
import psutil
from bert_mlm_client import BertMlmError, FillMask

from loadtest.processes import ROOT, StartError, free_port, http, serve
from loadtest.sentences import masked_sentences

MODEL = "bert_mlm"
FAIR_SHARE = 0.4
"""What one of two servers must do at least of the work once it is back."""

_MONITORING = ROOT / "models" / "monitoring.config"
_METRICS = "/monitoring/prometheus/metrics"
_ANSWERED = re.compile(rb'^:tensorflow:serving:runtime_latency_count\{.*API="Predict".*\} (\d+)', re.MULTILINE)
_BACK_S = 60.0
_POLL_S = 0.02


class Replica:
    """A server that may be killed and started again, at the same two ports.

    Args:
        base_path: the folder of the model's versions.
        work: where its log goes.
        flags: further flags.
    """

    def __init__(self, base_path: Path, work: Path, *flags: str) -> None:
        self._ports = free_port(), free_port()
        self._log = work / f"server-{self._ports[0]}.log"
        self._arguments = ["-m", "deploy.embedded", f"--port={self._ports[0]}", f"--rest_api_port={self._ports[1]}"]
        self._arguments += [f"--model_name={MODEL}", f"--model_base_path={base_path.resolve()}"]
        self._arguments += [f"--monitoring_config_file={_MONITORING}", *flags]
        self._running = ExitStack()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def grpc(self) -> str:
        """Return the gRPC API's address."""
        return f"grpc://127.0.0.1:{self._ports[0]}"

    @property
    def rest(self) -> str:
        """Return the REST API's address."""
        return f"http://127.0.0.1:{self._ports[1]}"

    def start(self) -> None:
        """Start it and wait until its model is available.

        Raises:
            StartError: it did not start.
        """

        def ready() -> None:
            http(self._ports[1], "GET", f"/v1/models/{MODEL}/metadata")

        self._process = self._running.enter_context(serve(self._arguments, ready=ready, log=self._log))

    def hang(self) -> None:
        """Stop it, without ending it: it takes connections and requests and answers none."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)
            while psutil.Process(self._process.pid).status() != psutil.STATUS_STOPPED:
                time.sleep(_POLL_S)

    def go_on(self) -> None:
        """Let it go on after `hang`."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it in the middle of whatever it does."""
        if self._process is not None:
            self._process.kill()
        self.end()

    def end(self) -> None:
        """End it in order: it answers what it has begun."""
        self._running.close()
        self._process = None

    def answered(self) -> int:
        """Return how many requests it says it has answered since it was started; 0 when it is down."""
        if self._process is None:
            return 0
        return sum(map(int, _ANSWERED.findall(http(self._ports[1], "GET", _METRICS))))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


@dataclass(slots=True)
class Phase:
    """What happened in one part of the run.

    Attributes:
        title: which part.
        taken_ms: how long each call took that was answered.
        failures: how often calls failed, by message.
        answered: how many requests each server says it answered.
        seconds: how long the part was.
    """

    title: str
    taken_ms: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    answered: tuple[int, int] = (0, 0)
    seconds: float = 0.0

    @property
    def shares(self) -> tuple[float, float]:
        """Return which part of the work each server did."""
        total = sum(self.answered) or 1
        return self.answered[0] / total, self.answered[1] / total


class Run:
    """One client that threads ask without pause, and two servers."""

    def __init__(self, client: FillMask, replicas: tuple[Replica, Replica]) -> None:
        self._client = client
        self._replicas = replicas
        self._sentences = masked_sentences(64, longest=24)
        self._phase = Phase("warm-up")
        self._is_over = threading.Event()

    @contextmanager
    def asking(self, connections: int) -> Iterator[None]:
        """Ask from so many threads until the block ends."""
        threads = [threading.Thread(target=self._ask, args=[number]) for number in range(connections)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._is_over.set()
            for thread in threads:
                thread.join()

    @contextmanager
    def phase(self, title: str) -> Iterator[Phase]:
        """Count what happens inside the block."""
        phase = self._phase = Phase(title)
        first, second = (replica.answered() for replica in self._replicas)
        begun = time.monotonic()
        yield phase
        phase.seconds = time.monotonic() - begun
        now = [replica.answered() for replica in self._replicas]
        phase.answered = max(0, now[0] - first), now[1] - second

    def _ask(self, number: int) -> None:
        for sentence in islice(cycle(self._sentences), number, None):
            if self._is_over.is_set():
                return
            begun = time.perf_counter()
            try:
                self._client.fill(sentence, top_k=1)
            except BertMlmError as error:
                self._phase.failures[f"{type(error).__name__}: {error}"] += 1
            else:
                self._phase.taken_ms.append((time.perf_counter() - begun) * 1000)


def measure(
    servable: Path,
    work: Path,
    flags: Sequence[str],
    *,
    protocol: str = "grpc",
    in_order: bool = False,
    seconds: float,
    connections: int,
) -> list[Phase]:
    """Kill the first of two servers under load, start it again, and return what happened in each phase.

    Args:
        servable: the folder of the model's versions.
        work: where logs go.
        flags: flags for the servers.
        protocol: grpc or rest.
        in_order: let it answer what it has begun, in place of killing it.
        seconds: how long each phase lasts.
        connections: how many threads ask.

    Raises:
        StartError: a server did not start, or was not asked again within a minute.
        BertMlmError: the servers cannot be asked at all.
    """
    phases = []
    with Replica(servable, work, *flags) as first, Replica(servable, work, *flags) as second:
        urls = [getattr(replica, protocol) for replica in (first, second)]
        with FillMask(urls, model=MODEL, timeout=30.0) as client:
            client.tokenizer()
            run = Run(client, (first, second))
            with run.asking(connections):
                with run.phase("both") as phase:
                    time.sleep(seconds)
                phases.append(phase)
                with run.phase("one ended" if in_order else "one killed") as phase:
                    stop = first.end if in_order else first.kill
                    stop()
                    time.sleep(seconds)
                phases.append(phase)
                with run.phase("it starts") as phase:
                    first.start()
                phases.append(phase)
                with run.phase("it is back") as phase:  # until the client asks it
                    _wait_until_asked(first)
                phases.append(phase)
                with run.phase("both again") as phase:
                    time.sleep(seconds)
                phases.append(phase)
    return phases


def _wait_until_asked(replica: Replica) -> None:
    deadline = time.monotonic() + _BACK_S
    while not replica.answered():
        if time.monotonic() > deadline:
            msg = f"{replica.grpc} is back, and was not asked again within {_BACK_S:.0f} s"
            raise StartError(msg)
        time.sleep(_POLL_S)


def screen(phases: Sequence[Phase]) -> str:
    """Return the phases as a table."""
    lines = ["phase            s   calls  failed  1st server  2nd server   p50 ms   p99 ms  longest ms"]
    for phase in phases:
        p50, p99, longest = np.percentile(phase.taken_ms or [0.0], [50, 99, 100])
        shares = "".join(f"{share:>12.0%}" for share in phase.shares)
        calls = len(phase.taken_ms) + phase.failures.total()
        lines.append(
            f"{phase.title:<12}{phase.seconds:>6.1f}{calls:>8}{phase.failures.total():>8}{shares}"
            f"{p50:>9.1f}{p99:>9.1f}{longest:>12.1f}"
        )
    lines += [f"{count} times {message}" for phase in phases for message, count in phase.failures.most_common(3)]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Kill one of two servers behind one client under load and start it again."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.failover", description=main.__doc__)
    parser.add_argument("--servable", type=Path, default=Path("models/bert_mlm"), help="the folder of the versions")
    parser.add_argument("--protocol", choices=("grpc", "rest"), default="grpc")
    parser.add_argument("--in-order", action="store_true", help="end the server with SIGTERM in place of SIGKILL")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each phase lasts")
    parser.add_argument("--connections", type=int, default=8, help="how many threads ask")
    parser.add_argument("--work", type=Path, default=Path("build/failover"), help="where logs go")
    parser.add_argument("flags", nargs="*", help="flags for the servers, after --")
    options = parser.parse_args(arguments)
    try:
        phases = measure(
            options.servable,
            options.work,
            options.flags,
            protocol=options.protocol,
            in_order=options.in_order,
            seconds=options.seconds,
            connections=options.connections,
        )
    except (BertMlmError, StartError) as error:
        print(f"failover: {error}", file=sys.stderr)
        return 1
    print(screen(phases))
    failed = sum(phase.failures.total() for phase in phases)
    return 0 if not failed and phases[-1].shares[0] >= FAIR_SHARE else 1


if __name__ == "__main__":
    sys.exit(main())
