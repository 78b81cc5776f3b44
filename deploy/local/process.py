"""Run a server as a child process."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

hurry = threading.Event()
"""Set to end processes by SIGKILL without waiting for them."""

_POLL_S = 0.05
_LAST_LINES = 5


class StartError(Exception):
    """A process did not start.

    The message is shown to the user.
    """


@dataclass(frozen=True, slots=True)
class Running:
    """A running child process.

    Attributes:
        name: its name in messages.
        process: the process.
        log: the file of its output.
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
    """Run ``python -m module`` during the block.

    The process is ended with the block, by SIGKILL if SIGTERM is not enough.

    Args:
        name: its name in messages.
        module: the module.
        arguments: the command line.
        environment: the environment variables; None inherits this process's.
        log: the file for its output.
        ready: returns whether it is ready; raises OSError while the port is closed.
        start_s: the timeout until it is ready, in seconds.
        stop_s: the timeout between SIGTERM and SIGKILL, in seconds.

    Raises:
        StartError: the process exited, or was not ready in time.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", module, *arguments]
    with log.open("wb") as lines:
        # In a new session Ctrl-C reaches only this process, which then ends its children in order.
        process = subprocess.Popen(command, stdout=lines, stderr=lines, env=environment, start_new_session=True)  # noqa: S603 - a fixed command
    running = Running(name, process, log)
    try:
        _wait_until_ready(running, ready, start_s)
        yield running
    finally:
        process.terminate()
        deadline = time.monotonic() + stop_s
        try:
            while process.poll() is None and time.monotonic() < deadline and not hurry.wait(_POLL_S):
                pass
        finally:  # even if an exception interrupts the wait
            process.kill()
            process.wait()


def ask(port: int, path: str, document: object = None) -> tuple[int, bytes]:
    """Send a request and return its status and body.

    The request to 127.0.0.1 is a GET, or a POST of JSON if there is a document. No proxy is used.

    Raises:
        OSError: there is no HTTP answer.
    """
    connection = HTTPConnection("127.0.0.1", port, timeout=1 if document is None else 30)
    try:
        if document is None:
            connection.request("GET", path)
        else:
            connection.request("POST", path, json.dumps(document), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except HTTPException as error:
        raise OSError(error) from error
    finally:
        connection.close()


def wait_for_first_exit(*processes: Running) -> Running:
    """Return the first process that exits."""
    while True:
        for running in processes:
            if running.process.poll() is not None:
                return running
        time.sleep(_POLL_S)


def _wait_until_ready(running: Running, ready: Callable[[], bool], start_s: float) -> None:
    deadline = time.monotonic() + start_s
    while time.monotonic() < deadline:
        if running.process.poll() is not None:
            tail = "\n".join(["", *_last_lines(running.log)])
            msg = f"the {running.name} ended with status {running.process.returncode}; {running.log} ends with{tail}"
            raise StartError(msg)
        try:
            if ready():
                return
        except OSError:
            pass  # the port is not open yet
        time.sleep(_POLL_S)
    msg = f"the {running.name} was not ready after {start_s:g} s; its output is in {running.log}"
    raise StartError(msg)


def _last_lines(log: Path) -> list[str]:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return [f"    {line}" for line in lines[-_LAST_LINES:]] or ["    (nothing)"]
