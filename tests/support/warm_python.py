"""Make an interpreter whose large libraries are already imported."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.support.environment import ROOT, environment
from tests.support.processes import end


@contextmanager
def warm_python(folder: Path, python: Path, imports: str, variables: Mapping[str, str]) -> Iterator[Path]:
    """Start a fork server and yield the executable that asks it.

    The executable takes ``-m MODULE`` or ``-c CODE`` and arguments. Libraries have read those environment variables
    that they read on import when the server started.

    Args:
        folder: an empty folder of the test run.
        python: the interpreter.
        imports: the statements that import the libraries.
        variables: environment variables of the server.
    """
    address = folder / "s"
    warm = folder / "python"
    warm.write_text(
        f"#!/bin/sh\nexec '{sys.executable}' -I -S '{Path(__file__).with_name('fork_client.py')}' '{address}' \"$@\"\n"
    )
    warm.chmod(0o755)
    server = subprocess.Popen(
        [python, "-m", "tests.support.fork_server", address, imports],
        cwd=ROOT,
        env={**environment(**variables), "PYTHONPATH": ""},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C reaches the tests, which then close its standard input
    )
    try:
        assert server.stdout is not None
        assert server.stdout.readline() == b"ready\n", "the fork server did not start; its standard error says why"
        yield warm
    finally:
        end(server)
