"""Test failover while one of two servers is restarted.

    python -m loadtest.failover --servable models/bert_mlm --seconds 10
    python -m loadtest.failover --protocol rest -- --engine=onnx

Threads send requests through one client without pause. Prints for each phase the calls, the failures, each server's
count of answers, and latencies. Exits with status 1 if a call failed or the load was not balanced again afterwards.
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
"""Least share of the work that the restarted server must do."""

MONITORING = ROOT / "models" / "monitoring.config"
_METRICS = "/monitoring/prometheus/metrics"
_ANSWERED = re.compile(rb'^:tensorflow:serving:runtime_latency_count\{.*API="Predict".*\} (\d+)', re.MULTILINE)
_BACK_S = 60.0
_POLL_S = 0.02


def count_answers(rest_port: int) -> int:
    """Return a local server's count of answers.

    Raises:
        OSError: no connection.
        HTTPException: it has no metrics.
    """
    return sum(map(int, _ANSWERED.findall(http(rest_port, "GET", _METRICS))))


class Replica:
    """A server that can restart on the same ports.

    Args:
        base_path: the folder of the model's versions.
        work: folder for its log.
        flags: further flags.
    """

    def __init__(self, base_path: Path, work: Path, *flags: str) -> None:
        self._ports = free_port(), free_port()
        self._log = work / f"server-{self._ports[0]}.log"
        self._arguments = ["-m", "deploy.embedded", f"--port={self._ports[0]}", f"--rest_api_port={self._ports[1]}"]
        self._arguments += [f"--model_name={MODEL}", f"--model_base_path={base_path.resolve()}"]
        self._arguments += [f"--monitoring_config_file={MONITORING}", *flags]
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
        """Start the server and wait until its model is available.

        Raises:
            StartError: it did not start.
        """

        def ready() -> None:
            http(self._ports[1], "GET", f"/v1/models/{MODEL}/metadata")

        self._process = self._running.enter_context(serve(self._arguments, ready=ready, log=self._log))

    def hang(self) -> None:
        """Suspend the process (SIGSTOP).

        The kernel still accepts connections and requests, but no answer comes.
        """
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)
            while psutil.Process(self._process.pid).status() != psutil.STATUS_STOPPED:
                time.sleep(_POLL_S)

    def resume(self) -> None:
        """Resume the process after `hang`."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill the process with SIGKILL, in the middle of requests."""
        if self._process is not None:
            self._process.kill()
        self.terminate()

    def terminate(self) -> None:
        """Shut the server down with SIGTERM, finishing requests in flight."""
        self._running.close()
        self._process = None

    def answered(self) -> int:
        """Return the server's count of answers (0 if down)."""
        if self._process is None:
            return 0
        return count_answers(self._ports[1])

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


@dataclass(slots=True)
class Phase:
    """Calls, failures and latencies of one phase.

    Attributes:
        title: name of the phase.
        taken_ms: latency of each successful call.
        failures: number of failed calls by error message.
        answered: each server's own count of answers.
        seconds: duration of the phase.
    """

    title: str
    taken_ms: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    answered: tuple[int, int] = (0, 0)
    seconds: float = 0.0

    @property
    def shares(self) -> tuple[float, float]:
        """Return each server's share of the work."""
        total = sum(self.answered) or 1
        return self.answered[0] / total, self.answered[1] / total


class Run:
    """One client under constant load, and its two servers."""

    def __init__(self, client: FillMask, replicas: tuple[Replica, Replica]) -> None:
        self._client = client
        self._replicas = replicas
        self._sentences = masked_sentences(64, longest=24)
        self._phase = Phase("warm-up")
        self._is_over = threading.Event()

    @contextmanager
    def load(self, connections: int) -> Iterator[None]:
        """Send requests from several threads until the block ends."""
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
        """Record the calls inside the block as a phase."""
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
    """Restart one of two servers under load, returning the phases.

    Args:
        servable: the folder of the model's versions.
        work: folder for logs.
        flags: flags for the servers.
        protocol: grpc or rest.
        in_order: shut it down with SIGTERM instead of killing it.
        seconds: duration of each phase.
        connections: number of threads.

    Raises:
        StartError: a server did not start, or received no request within a minute of its restart.
        BertMlmError: the servers cannot be reached.
    """
    phases = []
    with Replica(servable, work, *flags) as first, Replica(servable, work, *flags) as second:
        urls = [getattr(replica, protocol) for replica in (first, second)]
        with FillMask(urls, model=MODEL, timeout=30.0) as client:
            client.tokenizer()
            run = Run(client, (first, second))
            with run.load(connections):
                with run.phase("both") as phase:
                    time.sleep(seconds)
                phases.append(phase)
                with run.phase("one ended" if in_order else "one killed") as phase:
                    stop = first.terminate if in_order else first.kill
                    stop()
                    time.sleep(seconds)
                phases.append(phase)
                with run.phase("it starts") as phase:
                    first.start()
                phases.append(phase)
                with run.phase("it is back") as phase:  # until the client uses it
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
            msg = f"{replica.grpc} is back, but received no request within {_BACK_S:.0f} s"
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
    """Test failover while one of two servers is restarted."""
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
