"""An interpreter behind a fork server behaves like the interpreter."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import end
from tests.support.waiting import wait_until
from tests.support.warm_python import warm_python


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with warm_python(tmp_path_factory.mktemp("warm"), Path(sys.executable), "import fractions", {}) as executable:
        yield executable


@pytest.mark.parametrize(
    "code",
    [
        "print(input(), sys.argv, os.environ['NAME'], os.getcwd(), sys.path[0], __name__)",
        "print('half'); sys.exit('an error')",
        "sys.exit(3)",
        "raise KeyboardInterrupt",
        "os.kill(os.getpid(), signal.SIGKILL)",
        "subprocess.run(['sh', '-c', 'exit 5'], check=True)",
    ],
)
def test_streams_arguments_environment_and_exit_status_are_the_interpreters(
    python: Path, code: str, tmp_path: Path
) -> None:
    first, second = (
        subprocess.run(
            [executable, "-c", f"import os, signal, subprocess, sys\n{code}", "a", "b c"],
            env={**os.environ, "NAME": "名"},
            cwd=tmp_path,
            input="a line\n",
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        for executable in (sys.executable, python)
    )
    assert (first.returncode, first.stdout) == (second.returncode, second.stdout)
    assert first.stderr.splitlines()[-1:] == second.stderr.splitlines()[-1:]


def test_the_imports_are_there(python: Path) -> None:
    code = "import sys; sys.exit('fractions' not in sys.modules)"
    assert subprocess.run([python, "-c", code], check=False).returncode == 0
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 1


def test_the_command_dies_with_its_caller(python: Path) -> None:
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    caller = subprocess.Popen([python, "-c", code], stdout=subprocess.PIPE, text=True)
    assert caller.stdout is not None
    command = int(caller.stdout.readline())
    os.kill(command, 0)
    end(caller)
    wait_until(lambda: not is_running(command))


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_signal_is_the_exit_status(python: Path) -> None:
    done = subprocess.run([python, "-c", "import os; os.kill(os.getpid(), 15)"], check=False)
    assert done.returncode == -signal.SIGTERM
