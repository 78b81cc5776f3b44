"""Report progress with and without a terminal."""

import sys
import threading
import time
from types import TracebackType
from typing import Self

from bert_mlm_client.commands import Bar

INTERVAL_S = 30.0
"""Seconds between two lines without a terminal."""


class Progress:
    """Count rows and show progress.

    It is a bar on a terminal, and lines elsewhere. The lines appear also while no chunk finishes, so that a log shows a
    run that stands still.

    Args:
        total: the number of rows.
        done: the rows that earlier runs answered.
        interval_s: seconds between two lines.
    """

    def __init__(self, total: int, done: int, interval_s: float = INTERVAL_S) -> None:
        self._total, self._before, self._done = total, done, done
        self._interval_s = interval_s
        self._begun = time.monotonic()
        self._bar = Bar(total, done)
        self._ended = threading.Event()
        self._reporter = threading.Thread(target=self._report, daemon=True)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._begun

    @property
    def rate(self) -> float:
        """Rows a second of this run, its start included."""
        return (self._done - self._before) / self.elapsed_s

    def advance(self, rows: int) -> None:
        """Add answered rows."""
        self._done += rows
        self._bar.advance(rows)

    def __enter__(self) -> Self:
        self._bar.__enter__()
        if not sys.stderr.isatty():
            self._reporter.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._bar.__exit__(kind, error, trace)

    def _report(self) -> None:
        while not self._ended.wait(self._interval_s):
            print(
                f"batch: {self._done:,} of {self._total:,} rows, {self.rate:,.0f} rows/s", file=sys.stderr, flush=True
            )
