"""Run a server as a child process, from its start to its end."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

_POLL_S = 0.05
_LAST_LINES = 5


class StartError(Exception):
    """A process did not start. The message is shown to the user as it is."""


@dataclass(frozen=True, slots=True)
class Running:
    """A process that is ready.

    Attributes:
        name: what messages call it.
        process: the process itself.
        log: the file that its own lines go to.
    """

    name: str
    process: subprocess.Popen[bytes]
    log: Path


@contextmanager
def run_module(
    name: str,
    module: str,
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    log: Path,
    ready: Callable[[], bool],
    start_s: float,
    stop_s: float,
) -> Iterator[Running]:
    """Run ``python -m module`` until the block ends, and leave no process behind.

    Args:
        name: what messages call it.
        module: what to run.
        arguments: its command line.
        environment: its variables; None hands on this process's own.
        log: the file that its own lines go to.
        ready: tells whether it can be used; raises OSError while nothing listens.
        start_s: how long that may take, in seconds.
        stop_s: how long it may take to end once it is asked to, in seconds.

    Raises:
        StartError: it ended, or was not ready in time.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", module, *arguments]
    with log.open("wb") as lines:
        # A session of its own: Ctrl-C reaches this process alone, which then ends its children in order.
        process = subprocess.Popen(command, stdout=lines, stderr=lines, env=environment, start_new_session=True)  # noqa: S603 - our own words
    running = Running(name, process, log)
    try:
        _wait_until_ready(running, ready, start_s)
        yield running
    finally:
        process.terminate()
        try:
            process.wait(stop_s)
        except subprocess.TimeoutExpired:
            pass  # then it is killed
        finally:  # also where a second Ctrl-C interrupts the waiting
            process.kill()
            process.wait()


def ask(port: int, path: str) -> tuple[int, bytes]:
    """Return status and body of a GET from this machine, past any proxy.

    Raises:
        OSError: nothing answers there as HTTP.
    """
    connection = HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except HTTPException as error:
        raise OSError(error) from error
    finally:
        connection.close()


def wait_for_the_first_to_end(*processes: Running) -> Running:
    """Return the first that ends."""
    while True:
        for running in processes:
            if running.process.poll() is not None:
                return running
        time.sleep(_POLL_S)


def _wait_until_ready(running: Running, ready: Callable[[], bool], start_s: float) -> None:
    deadline = time.monotonic() + start_s
    while time.monotonic() < deadline:
        if running.process.poll() is not None:
            said = "\n".join(["", *_last_lines(running.log)])
            msg = f"the {running.name} ended with status {running.process.returncode}; {running.log} ends with{said}"
            raise StartError(msg)
        try:
            if ready():
                return
        except OSError:
            pass  # nothing listens yet
        time.sleep(_POLL_S)
    msg = f"the {running.name} was not ready after {start_s:g} s; its lines are in {running.log}"
    raise StartError(msg)


def _last_lines(log: Path) -> list[str]:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return [f"    {line}" for line in lines[-_LAST_LINES:]] or ["    (nothing)"]
