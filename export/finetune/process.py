"""Run the training in a process with PyTorch."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

from export.finetune.errors import ReportedError, TrainingError
from export.finetune.layout import TrainingFolder
from export.reference import torch_python

ROOT = Path(__file__).parents[2]

INTERRUPTED = 130
"""The exit status after an interruption, as the shell's after Ctrl-C."""


def run_trainer(folder: TrainingFolder, lock: int) -> None:
    """Train until the end of the plan or an interruption.

    The process holds the end of a pipe. It saves its state and ends when this process closes the pipe or dies. The
    first SIGINT or SIGTERM closes it, the second kills the process.

    Args:
        folder: the training folder.
        lock: the descriptor that holds the folder's lock; the process keeps it if this one dies.

    Raises:
        TrainingError: PyTorch is not installed, or the process was killed.
        ReportedError: the training failed, and the process has printed why.
        KeyboardInterrupt: the training was interrupted; its state is saved.
    """
    has_torch = find_spec("torch") and not os.environ.get("TORCH_PYTHON")
    python = sys.executable if has_torch else str(torch_python())
    try:
        process = subprocess.Popen(  # noqa: S603 - trusted arguments
            [python, "-m", "export.finetune.trainer", str(folder.root.absolute())],
            stdin=subprocess.PIPE,
            pass_fds=(lock,),
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            start_new_session=True,  # Ctrl-C reaches this process alone
        )
    except OSError as error:
        msg = (
            f"PyTorch is not installed: cannot run {python} ({error.strerror}). `make torch` installs it; TORCH_PYTHON "
            "names another Python that has PyTorch and transformers"
        )
        raise TrainingError(msg) from error
    with _stopping_by_signals(process):
        status = process.wait()
    if status == INTERRUPTED:
        raise KeyboardInterrupt
    if status == -signal.SIGKILL:
        msg = (
            "the training process was killed, most likely because the machine has no more memory: continue with "
            "--resume, or lower --max-length or --batch-size, or split batches with --accumulate"
        )
        raise TrainingError(msg)
    if status == 1:
        raise ReportedError
    if status:
        msg = f"the training process ended with status {status}; run the command again, with --resume if it had begun"
        raise TrainingError(msg)


@contextmanager
def _stopping_by_signals(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    def stop(_signal: int, _frame: FrameType | None) -> None:
        if process.stdin is None or process.stdin.closed:
            process.kill()
        else:
            process.stdin.close()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if process.stdin is not None:
            process.stdin.close()
