"""End child processes, and collect those that a test starts."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

Process = subprocess.Popen[Any]


def end(process: Process) -> None:
    """Kill a process that still runs, and close its pipes."""
    if process.poll() is None:
        process.kill()
        process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with suppress(BrokenPipeError):  # unsent input of a process that has ended
                pipe.close()


@contextmanager
def ending() -> Iterator[list[Process]]:
    """Yield a list; its processes end with the block."""
    started: list[Process] = []
    try:
        yield started
    finally:
        for process in started:
            end(process)
