"""Send requests while gateways are replaced, and check their log."""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from deploy.gateway.log.rotation import rotated
from loadtest.processes import ROOT, StartError, free_port, http, serve
from loadtest.request_log.lines import Comparison, SentRequest, compare
from loadtest.request_log.plan import Plan

_LISTENS = b"Gateway on http"
_KEPT_FILES = 10_000
_STOP_S = 30.0
_POLL_S = 0.05


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
