"""Define the record of a call and its file."""

import json
import threading
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Self

PATHS = ("gateway", "client")
"""What a call goes through: the gateway over HTTP, or the client alone."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call.

    Attributes:
        ended: when it ended, in seconds of the machine's monotonic clock.
        path: one of `PATHS`.
        ms: its latency.
        error: the error message, empty for a success.
    """

    ended: float
    path: str
    ms: float
    error: str = ""


class CallFile:
    """Write calls from several threads to a file."""

    def __init__(self, path: Path) -> None:
        self._lines = path.open("w", encoding="utf-8", buffering=1)
        self._lock = threading.Lock()

    def write(self, call: Call) -> None:
        """Append a call."""
        line = json.dumps(astuple(call), ensure_ascii=False)
        with self._lock:
            self._lines.write(f"{line}\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()


def read_calls(path: Path) -> Iterator[Call]:
    """Yield the calls in the complete lines of a file."""
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("\n"):
            yield Call(*json.loads(line))
