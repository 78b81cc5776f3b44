"""Test that child processes are ready before use and always ended."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from deploy.local.process import Running, StartError, ask, run_module, wait_for_first_exit
from tests.support.ports import free_port

STUBBORN = """
import pathlib, signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path(sys.argv[1]).touch()
signal.pause()
"""


def web_server(tmp_path: Path, port: int) -> AbstractContextManager[Running]:
    return run_module(
        "web server",
        "http.server",
        ["--bind=127.0.0.1", f"--directory={tmp_path}", str(port)],
        log=tmp_path / "logs" / f"{port}.log",
        ready=lambda: ask(port, "/")[0] == 200,
        start_s=30,
        stop_s=30,
    )


@contextmanager
def stubborn(tmp_path: Path, stop_s: float) -> Iterator[Running]:
    """Run a process that ignores SIGTERM."""
    (tmp_path / "stubborn.py").write_text(STUBBORN)
    started = tmp_path / "started"
    with run_module(
        "stubborn one",
        "stubborn",
        [str(started)],
        environment={**os.environ, "PYTHONPATH": str(tmp_path)},
        log=tmp_path / "stubborn.log",
        ready=started.exists,
        start_s=30,
        stop_s=stop_s,
    ) as running:
        yield running


def is_gone(running: Running) -> bool:
    """Return whether the process has ended and was waited for."""
    return running.process.returncode is not None


def test_it_answers_within_the_block_and_is_gone_after_it(tmp_path: Path) -> None:
    port = free_port()
    with web_server(tmp_path, port) as running:
        assert ask(port, "/")[0] == 200
    assert running.process.returncode == -signal.SIGTERM
    with pytest.raises(ConnectionRefusedError):
        ask(port, "/")


def test_one_that_ends_at_once_is_an_error_with_its_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "child.log"
    child = run_module("child", "no_such_module", [], log=log, ready=lambda: False, start_s=30, stop_s=1)
    with pytest.raises(StartError, match=f"^the child ended with status 1; {log} ends with\n.*No module named"), child:
        pass


def test_one_that_is_not_ready_in_time_is_an_error_and_ended(tmp_path: Path) -> None:
    child = run_module(
        "web server",
        "http.server",
        [str(free_port())],
        log=tmp_path / "child.log",
        ready=lambda: False,
        start_s=0.2,
        stop_s=30,
    )
    with pytest.raises(StartError, match="the web server was not ready after"), child:
        pass
    listed = subprocess.run(["pgrep", "-P", str(os.getpid()), "-f", "http.server"], capture_output=True, check=False)
    assert listed.stdout == b""


def test_one_that_ignores_the_signal_is_killed(tmp_path: Path) -> None:
    with stubborn(tmp_path, stop_s=0.2) as running:
        assert not is_gone(running)
    assert running.process.returncode == -signal.SIGKILL


def test_a_second_ctrl_c_does_not_leave_it_behind(tmp_path: Path) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt), stubborn(tmp_path, stop_s=30) as running:
            signal.setitimer(signal.ITIMER_REAL, 0.2)  # while it is waited for at the end of the block
    finally:
        signal.signal(signal.SIGALRM, before)
    assert running.process.returncode == -signal.SIGKILL


def test_the_first_to_end_is_the_one_that_is_told(tmp_path: Path) -> None:
    with web_server(tmp_path, free_port()) as one, web_server(tmp_path, free_port()) as other:
        other.process.kill()
        assert wait_for_first_exit(one, other) is other
        assert not is_gone(one)
