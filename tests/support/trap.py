"""Run a command where every name look-up and every connection outside loopback is recorded, and none gets through.

    .venv/bin/python -m tests.support.trap --seconds 40 .venv/bin/python -m deploy.embedded --engine=onnx …

prints them, and what the command wrote in its home folder. Needs Linux with util-linux and iproute2, and root or
unprivileged user namespaces.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

_RECORDER = Path(__file__).with_name("recorder.py")
_PROGRAMS = ("unshare", "nsenter", "ip", "mount")
_NAMESPACES = ("--net", "--mount", "--uts")
_UNPRIVILEGED = ("--user", "--map-root-user")


class TrapError(Exception):
    """There can be no trap on this machine; the message says why."""


class Trap:
    """A network namespace of its own and an empty home folder. Use it as a context manager.

    Attributes:
        home: the home folder of what runs in the trap.

    Raises:
        TrapError: this machine cannot make one.
    """

    def __init__(self) -> None:
        missing = [program for program in _PROGRAMS if shutil.which(program) is None]
        if missing or sys.platform != "linux":
            msg = f"needs Linux with the programs {', '.join(_PROGRAMS)} (missing: {', '.join(missing) or 'none'})"
            raise TrapError(msg)
        self._is_root = os.geteuid() == 0
        self._folder = Path(tempfile.mkdtemp(prefix="trap-"))
        self.home = self._folder / "home"
        self.home.mkdir()
        user = () if self._is_root else _UNPRIVILEGED
        self._recorder = subprocess.Popen(
            ["unshare", *user, *_NAMESPACES, sys.executable, str(_RECORDER), str(self._folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._pid = self._line()
        if not self._pid:
            reason = (self._recorder.communicate()[1].strip().splitlines() or ["no reason given"])[-1]
            shutil.rmtree(self._folder)
            msg = f"cannot make a network namespace here ({reason}); run as root, or allow user namespaces"
            raise TrapError(msg)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._recorder.communicate()  # it ends with its standard input
        shutil.rmtree(self._folder, ignore_errors=True)

    def popen(self, *command: str, cwd: Path, **options: Any) -> subprocess.Popen[str]:
        """Start a command in the trap, in a session of its own; the options are subprocess.Popen's."""
        user = () if self._is_root else ("--user", "--preserve-credentials")
        enter = ["nsenter", f"--target={self._pid}", *user, *_NAMESPACES, "--", "env", f"--chdir={cwd}"]
        return subprocess.Popen(
            [*enter, *command], env=self._environment(), text=True, start_new_session=True, **options
        )

    def run(self, *command: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
        """Run a command in the trap to its end; what it writes to standard error is in its output, too."""
        process = self.popen(*command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output, _ = process.communicate()
        return subprocess.CompletedProcess(command, process.returncode, output)

    def events(self) -> list[str]:
        """Return what was recorded since the last call: ``look-up example.org A``, ``TCP 192.0.2.7 port 443``."""
        assert self._recorder.stdin is not None
        self._recorder.stdin.write("\n")
        self._recorder.stdin.flush()
        events: list[str] = json.loads(self._line())
        return events

    def written(self) -> list[str]:
        """Return the files in the home folder, relative to it."""
        return sorted(str(path.relative_to(self.home)) for path in self.home.rglob("*") if not path.is_dir())

    def _line(self) -> str:
        assert self._recorder.stdout is not None
        return self._recorder.stdout.readline().strip()

    def _environment(self) -> dict[str, str]:
        # Nothing else of this process's environment: CI, a proxy or HF_HUB_OFFLINE would hide what a user's shell does.
        kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "CHROMIUM") if name in os.environ}
        return {**kept, "HOME": str(self.home), "LANG": "C.UTF-8"}


def open_trap() -> Trap:
    """Return a trap, or skip the test that asks and say why there is none."""
    try:
        return Trap()
    except TrapError as error:
        pytest.skip(f"no trap for what leaves the machine: it {error}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command in a trap and print what it would have sent."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.trap", description=main.__doc__)
    parser.add_argument("--seconds", type=float, help="end the command after this time (default: wait for its end)")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args(arguments)
    with Trap() as trap:
        process = trap.popen(*options.command, cwd=Path.cwd())
        try:
            process.wait(options.seconds)
        except subprocess.TimeoutExpired:
            process.terminate()
            process.wait()
        events = Counter(trap.events())
        for event, count in events.items():
            print(f"{count:4}  {event}")
        for path in trap.written():
            print(f"      wrote ~/{path}")
        print(f"{events.total()} look-ups and connections, {len(trap.written())} files in the home folder")
    return 1 if events else 0


if __name__ == "__main__":
    sys.exit(main())
