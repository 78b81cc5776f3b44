"""Test the request log under load, rotation and restarts.

    python -m loadtest.request_log                                       # 200,000 requests on the demonstration
    python -m loadtest.request_log --requests 10000 --servable models/bert_mlm -- --engine=onnx

Load processes send requests to a real gateway and server over 16 connections. At intervals the gateway receives SIGTERM
and its successor starts at once, with the same port and log, so that for a moment both write to it; every second
gateway has no grace period (GATEWAY_GRACE_S=0). Clients reconnect. At the end, each sentence that was answered, with
any status, must have one line; if the answer did not arrive, a line is optional. Prints the figures, and exits with
status 1 if a line is missing, surplus or wrong.
"""

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from deploy.gateway.log.rotation import rotated
from loadtest.processes import ROOT, StartError, free_port, http, serve
from loadtest.request_log.client import CUT_OFF
from loadtest.request_log.lines import Comparison, SentRequest, compare
from loadtest.soak import started

_LISTENS = b"Gateway on http"
_KEPT_FILES = 10_000
_STOP_S = 30.0
_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Plan:
    """The size of a run.

    Attributes:
        requests: number of answers to collect.
        connections: number of concurrent connections.
        processes: number of load processes.
        terminate_s: uptime of each gateway before its SIGTERM.
        max_bytes: the size at which the log is rotated.
        limit_s: time limit of the run.
    """

    requests: int
    connections: int
    processes: int
    terminate_s: float
    max_bytes: int
    limit_s: float


class Gateways:
    """Successive gateways with the same port and log.

    Args:
        serving_url: the model server.
        work: the folder for the log and the gateways' output.
        max_bytes: the size at which the log is rotated.
        flags: further flags of every gateway.
    """

    def __init__(self, serving_url: str, work: Path, max_bytes: int, flags: Sequence[str] = ()) -> None:
        self.port = free_port()
        self.log = work / "logs" / "gateway.log"
        self.terminated = 0
        self._work = work
        self._flags = [f"--port={self.port}", f"--serving-url={serving_url}", f"--log-folder={self.log.parent}"]
        self._flags += [f"--log-max-bytes={max_bytes}", f"--log-keep={_KEPT_FILES}", *flags]

    @contextmanager
    def run(self) -> Iterator[subprocess.Popen[bytes]]:
        """Run the next gateway, every second one without grace period.

        Raises:
            StartError: it did not start.
        """
        grace = ["--grace-s=0"] if self.terminated % 2 else []
        command = ["-m", "deploy.gateway", "serve", *self._flags, *grace]
        said = self._work / f"gateway-{self.terminated}.log"

        def ready() -> None:
            if _LISTENS not in said.read_bytes():  # until then its predecessor answers on the port
                msg = "the gateway does not listen yet"
                raise ConnectionError(msg)
            http(self.port, "GET", "/healthz")

        with serve(command, ready=ready, log=said) as process:
            yield process

    def terminate(self, process: subprocess.Popen[bytes]) -> None:
        """Send SIGTERM without waiting."""
        process.terminate()
        self.terminated += 1


def run(plan: Plan, serving_url: str, work: Path, flags: Sequence[str] = ()) -> tuple[Comparison, Gateways]:
    """Run the load, restart gateways meanwhile, and check the log.

    Args:
        plan: the size of the run.
        serving_url: the model server.
        work: the folder for the log and the processes' output.
        flags: further flags of every gateway.

    Raises:
        StartError: a gateway did not start, exited early, or failed.
    """
    gateways = Gateways(serving_url, work, plan.max_bytes, flags)
    with ExitStack() as stack:
        process = stack.enter_context(gateways.run())
        files = [work / f"client-{number}.txt" for number in range(plan.processes)]
        clients = [_start_client(stack, plan, gateways.port, number, file) for number, file in enumerate(files)]
        while _served(process, clients, plan.terminate_s):
            gateways.terminate(process)
            successor = stack.enter_context(gateways.run())
            _check_end(process)
            process = successor
        gateways.terminate(process)
        _check_end(process)
    return compare(SentRequest.read(files), [*rotated(gateways.log), gateways.log]), gateways


def _start_client(stack: ExitStack, plan: Plan, port: int, number: int, file: Path) -> subprocess.Popen[bytes]:
    def share(all_of_them: int) -> str:
        return str(len(range(number, all_of_them, plan.processes)))

    command = [sys.executable, "-m", "loadtest.request_log.client", "--port", str(port), "--name", str(number)]
    command += ["--requests", share(plan.requests), "--connections", share(plan.connections)]
    command += ["--limit-s", str(plan.limit_s)]
    output = stack.enter_context(file.open("wb"))
    client = subprocess.Popen(command, cwd=ROOT, stdout=output)  # noqa: S603 - our own words
    stack.callback(client.wait)
    stack.callback(client.terminate)
    return client


def _served(gateway: subprocess.Popen[bytes], clients: Sequence[subprocess.Popen[bytes]], seconds: float) -> bool:
    """Wait for ``seconds`` and return whether the load continues.

    Raises:
        StartError: the gateway exited early.
    """
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if all(client.poll() is not None for client in clients):
            return False
        if gateway.poll() is not None:
            msg = f"a gateway exited early with status {gateway.returncode}"
            raise StartError(msg)
        time.sleep(_POLL_S)
    return True


def _check_end(gateway: subprocess.Popen[bytes]) -> None:
    status = gateway.wait(_STOP_S)
    if status:
        msg = f"a gateway exited with status {status} after SIGTERM"
        raise StartError(msg)


def summary(plan: Plan, found: Comparison, gateways: Gateways, seconds: float) -> str:
    """Format the figures as text."""
    statuses = ", ".join(f"{count:,} with {status}" for status, count in sorted(found.statuses.items()) if status)
    rotations = len(rotated(gateways.log))
    rotated_s = seconds / max(1, rotations)
    lines = [
        f"{found.answered:,} of {plan.requests:,} requests were answered ({statuses}),",
        f"in {seconds:.0f} s over {plan.connections} connections, {found.answered / seconds:.0f} a second.",
        f"{gateways.terminated} gateways ended by SIGTERM, the log rotated {rotations} times, every {rotated_s:.1f} s;",
        f"{found.statuses[CUT_OFF]} requests were cut off, {found.unread} refused unread.",
        f"{found.lines:,} lines of sentences, {found.cut_off_lines} of them of requests that were cut off,",
        f"and {found.other_lines} other lines in {found.files} files:",
        f"{found.missing} missing, {found.surplus} too many, {found.unreadable} unreadable,",
        f"{found.contrary} that contradict the answer.",
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Test the request log under load, rotation and restarts."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.request_log", description=main.__doc__)
    parser.add_argument("--requests", type=int, default=200_000, help="how many are to be answered (200000)")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--processes", type=int, default=4, help="of the clients (4)")
    parser.add_argument("--terminate-s", type=float, default=20.0, help="how long each gateway serves (20)")
    parser.add_argument("--max-bytes", type=int, default=600_000, help="size at which the log is rotated (600000)")
    parser.add_argument("--limit-s", type=float, default=1800.0, help="when to stop in any case (1800)")
    parser.add_argument("--servable", type=Path, default=Path("models/bert_mlm"), help="its newest version is served")
    parser.add_argument("--work", type=Path, default=Path("build/request_log"), help="where log and copies go")
    parser.add_argument("flags", nargs="*", default=["--engine=onnx"], help="the server's, after -- (--engine=onnx)")
    options = parser.parse_args(arguments)
    plan = Plan(
        options.requests,
        options.connections,
        options.processes,
        options.terminate_s,
        options.max_bytes,
        options.limit_s,
    )
    if not options.servable.is_dir():
        print(f"request_log: {options.servable} does not exist; `make export` creates models/bert_mlm", file=sys.stderr)
        return 1
    work: Path = options.work.resolve()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        with started(options.servable, work, options.flags) as server:
            begun = time.monotonic()
            found, gateways = run(plan, server.grpc, work)
            seconds = time.monotonic() - begun
    except (StartError, OSError, HTTPException, subprocess.TimeoutExpired) as error:
        print(f"request_log: {error}", file=sys.stderr)
        return 1
    print(summary(plan, found, gateways, seconds))
    return 0 if found.is_flawless and found.answered >= plan.requests else 1


if __name__ == "__main__":
    sys.exit(main())
