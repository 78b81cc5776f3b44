"""Show a progress bar on a terminal."""

import sys
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress, Task
    from rich.text import Text

LONG_S = 1.0
"""Seconds before the bar appears."""


class Bar:
    """Count lines and show progress.

    Thread-safe.

    Args:
        total: the number of lines, or None if unknown.
        done: the number of lines that earlier runs finished.
    """

    def __init__(self, total: int | None, done: int = 0) -> None:
        self._total, self._done = total, done
        self._before = done
        self._begun = time.monotonic()
        self._visible = sys.stderr.isatty()
        self._lock = threading.Lock()
        self._progress: Progress | None = None

    @property
    def elapsed_s(self) -> float:
        """Seconds since the bar was created."""
        return time.monotonic() - self._begun

    def advance(self, count: int) -> None:
        """Add finished lines."""
        with self._lock:
            self._done += count
            if not self._visible:
                return
            if self._progress is None and self.elapsed_s >= LONG_S:
                self._progress = self._show()
            if self._progress is not None:
                self._progress.update(self._progress.task_ids[0], completed=self._done)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._visible = False
            if self._progress is not None:
                self._progress.stop()

    def _show(self) -> "Progress":
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TimeRemainingColumn
        from rich.text import Text

        bar = self

        class Rate(ProgressColumn):
            """Show the lines a second since the start."""

            def render(self, task: "Task") -> "Text":
                return Text(f"{(task.completed - bar._before) / bar.elapsed_s:,.0f} lines/s")

        columns = (BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn())
        progress = Progress(*columns, console=Console(stderr=True), transient=True)
        progress.add_task("", total=self._total, completed=self._done)
        progress.start()
        return progress
