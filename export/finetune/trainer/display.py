"""Show the progress of a training."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

_LINE_EVERY_S = 60


class Display:
    """A bar on a terminal, else a line per minute.

    Args:
        steps: the largest number of steps.
        done: the steps before this process.
        batch_size: texts per step.
    """

    def __init__(self, steps: int, done: int, batch_size: int) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._steps, self._first, self._batch_size = steps, done, batch_size
        self._begun = self._printed = time.monotonic()
        self._bar = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[pace]}"),
            console=self._console,
            disable=not self._console.is_terminal,
            transient=True,
        )
        self._task = self._bar.add_task("", total=steps, completed=done, epoch="1", pace="")

    @contextmanager
    def running(self) -> Iterator[None]:
        """Show the bar during the block."""
        with self._bar:
            yield

    def update(self, step: int, epoch: int, loss: float) -> None:
        """Show a step."""
        if not self._console.is_terminal and time.monotonic() - self._printed < _LINE_EVERY_S:
            return
        pace = self._pace(step, loss)
        self._bar.update(self._task, completed=step, epoch=str(epoch), pace=pace)
        if not self._console.is_terminal:
            self._printed = time.monotonic()
            self.line(f"Step {step:,} of {self._steps:,}: {pace}.")

    def line(self, text: str) -> None:
        """Print a line above the bar."""
        self._console.print(text, markup=False)

    def _pace(self, step: int, loss: float) -> str:
        seconds = max(time.monotonic() - self._begun, 1e-9)
        rate = max(step - self._first, 1e-9) / seconds
        left = int((self._steps - step) / rate)
        minutes = f"{left // 60}:{left % 60:02}"
        return f"{rate * self._batch_size:,.0f} texts/s, {minutes} left, loss {loss:.3f}"
