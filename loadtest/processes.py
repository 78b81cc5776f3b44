"""Run servers as child processes and wait for readiness."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
START_S = 180.0
STOP_S = 20.0
_POLL_S = 0.02
_MB = 1e6
_claims: list[socket.socket] = []


class StartError(Exception):
    """A server that did not start.

    The message is for the user.
    """


@contextmanager
def serve(
    arguments: Sequence[str],
    *,
    ready: Callable[[], object],
    log: Path,
    environment: Mapping[str, str] | None = None,
    python: Path = Path(sys.executable),
    root: Path = ROOT,
    prefix: Sequence[str] = (),
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Python server and enter the block when ready.

    Args:
        arguments: what follows ``python``.
        ready: raises OSError or HTTPException as long as the server does not answer.
        log: file for the server's output.
        environment: variables beyond this process's.
        python: the interpreter (default: this process's).
        root: the checkout to run (default: this one).
        prefix: a command that replaces itself by the rest of its arguments, such as ``ip netns exec NAME``.

    Raises:
        StartError: it exited, or was not ready after ``START_S`` seconds.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as lines:
        process = subprocess.Popen(  # noqa: S603 - our own words
            [*prefix, python, *arguments],
            cwd=root,
            env={**os.environ, **(environment or {})},
            stdout=lines,
            stderr=lines,
            start_new_session=True,  # Ctrl-C reaches only this process, which then shuts the server down
        )
    try:
        _wait(process, ready, log)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], ready: Callable[[], object], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            ready()
        except (OSError, HTTPException) as error:
            if process.poll() is not None or time.monotonic() > deadline:
                msg = f"the server did not start ({error}); its log is {log}"
                raise StartError(msg) from error
            time.sleep(_POLL_S)
        else:
            return


def http(port: int, method: str, path: str, body: bytes | None = None, timeout_s: float = 60.0) -> bytes:
    """Send a local server a request and return the body.

    Raises:
        OSError: no connection.
        HTTPException: the status is not 200, or the answer is not HTTP.
    """
    connection = HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        response = connection.getresponse()
        content = response.read()
        if response.status != 200:
            msg = f"HTTP {response.status}: {content[:200].decode(errors='replace')}"
            raise HTTPException(msg)
        return content
    finally:
        connection.close()


def free_port() -> int:
    """Claim a free port for this process.

    The port stays bound, without a listener, until the process ends. The kernel therefore offers it to no other
    process, while a server that sets SO_REUSEADDR, as servers do, can still listen on it.
    """
    claim = socket.socket()
    claim.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    claim.bind(("127.0.0.1", 0))
    _claims.append(claim)
    return int(claim.getsockname()[1])


def memory_mb(process: subprocess.Popen[bytes]) -> dict[str, float]:
    """Return RSS and PSS of a process tree.

    RSS counts shared pages once per process, PSS once.
    """
    sums = {"rss_mb": 0.0, "pss_mb": 0.0}
    for one in process_tree(process):
        memory = one.memory_full_info()
        sums["rss_mb"] += memory.rss / _MB
        sums["pss_mb"] += getattr(memory, "pss", 0) / _MB  # only Linux reports PSS
    return {name: round(total, 1) for name, total in sums.items()}


def cpu_s(process: subprocess.Popen[bytes]) -> float:
    """Return the CPU time of a process tree."""
    times = [one.cpu_times() for one in process_tree(process)]
    return float(sum(one.user + one.system for one in times))


def process_tree(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Return a process and its descendants."""
    parent = psutil.Process(process.pid)
    return [parent, *parent.children(recursive=True)]
