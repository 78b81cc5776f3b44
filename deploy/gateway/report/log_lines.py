"""Find the log lines behind a figure of the report."""

import gzip
import heapq
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from threading import Event as Cancelled
from typing import Any, Self

from deploy.gateway.report.errors import ReportError, TimeLimitError
from deploy.gateway.report.files import LogFile, open_logs
from deploy.gateway.report.time_range import TimeRange, local

MAX_LINES = 200
"""The number of lines to show."""

_CHECK_EVERY = 4096
_PREFIX = b'{"timestamp":"'
_TIME = slice(len(_PREFIX), len(_PREFIX) + len("2026-04-05T10:23:45.123"))


@dataclass(frozen=True, slots=True)
class LineFilter:
    """The values that fields of a line must have.

    Empty ones match all.

    Attributes:
        without: the task that a line must not have.
        answered: whether only answered sentences match, as in the latency's figures.
        slowest: whether the slowest lines are first instead of the latest.
    """

    module: str = ""
    task: str = ""
    status: str = ""
    error_type: str = ""
    process: str = ""
    without: str = ""
    answered: bool = False
    slowest: bool = False

    @classmethod
    def of(cls, given: Callable[[str], str]) -> Self:
        """Read a filter from the parameters of an address."""
        return cls(
            **{name: given(name) for name in ("module", "task", "status", "error_type", "process", "without")},
            answered=bool(given("answered")),
            slowest=bool(given("slowest")),
        )

    @property
    def needles(self) -> tuple[bytes, ...]:
        """The bytes that a matching line has.

        They are quicker to find than its fields to parse.

        Names alone, as JSON writes them in one way.
        """
        values = (self.module, self.task, self.status, self.error_type, self.process)
        return tuple(value.encode() for value in values if value.isidentifier() and value.isascii())

    def matches(self, line: Mapping[str, Any]) -> bool:
        """Return whether a line has the values."""
        names = ("module", "task", "status", "process")
        return (
            all(line.get(name) == wanted for name in names if (wanted := getattr(self, name)))
            and (not self.error_type or _error_type(line) == self.error_type)
            and (not self.without or line.get("task") != self.without)
            and (not self.answered or line.get("status") in {"success", "low_confidence"})
        )


FILTERS = tuple(field.name for field in fields(LineFilter))
"""The names of a filter's fields, as parameters of an address."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of the log."""

    time: datetime
    fields: Mapping[str, Any]
    text: str


@dataclass(frozen=True, slots=True)
class FoundLines:
    """The first matching lines of a range."""

    lines: tuple[LogLine, ...]
    count: int


def find_lines(
    log: Path, time_range: TimeRange, wanted: LineFilter, *, time_s: float = 600.0, cancelled: Cancelled | None = None
) -> FoundLines:
    """Find the lines of a range that match a filter.

    They are shown as they are in the log, with personal data masked.

    Args:
        log: the gateway's log file or its folder; rotated and gzipped files are read as well.
        time_range: the range.
        wanted: the filter.
        time_s: the timeout in seconds.
        cancelled: set to cancel the search.

    Raises:
        NoLogError: no log file exists.
        TimeLimitError: the search timed out or was cancelled.
        ReportError: a file cannot be read.
    """
    deadline = time.monotonic() + time_s
    needles = wanted.needles
    written = _written(time_range.since), _written(time_range.until)
    best: list[tuple[float, int, LogLine]] = []
    count = 0
    with open_logs(log, time_range.since) as files:
        for number, text in enumerate(line for file in files for line in _lines(file)):
            if number % _CHECK_EVERY == 0 and (
                time.monotonic() > deadline or (cancelled is not None and cancelled.is_set())
            ):
                msg = f"the lines were not found within {time_s:g} s; choose a shorter range"
                raise TimeLimitError(msg)
            line = _parsed(text, time_range, written) if all(needle in text for needle in needles) else None
            if line is None or not wanted.matches(line.fields):
                continue
            rank = _number(line.fields.get("total_time_ms")) if wanted.slowest else line.time.timestamp()
            count += 1
            if len(best) < MAX_LINES:
                heapq.heappush(best, (rank, count, line))
            else:
                heapq.heappushpop(best, (rank, count, line))
    return FoundLines(tuple(line for _, _, line in sorted(best, key=lambda one: one[:2], reverse=True)), count)


def _lines(file: LogFile) -> Iterator[bytes]:
    opener = gzip.open if file.is_gzip else open
    try:
        with opener(file.source, "rb") as content:  # opened again, with a position of its own
            yield from content
    except (OSError, EOFError) as error:
        msg = f"the log file {file.path} cannot be read ({error}); remove or repair it"
        raise ReportError(msg) from error


def _parsed(text: bytes, chosen: TimeRange, written: tuple[bytes, bytes]) -> LogLine | None:
    """Return a line if it is in the range.

    The gateway's lines begin with their time, in a form that sorts: lines out of the range are not parsed.
    """
    if text.startswith(_PREFIX) and not written[0] <= text[_TIME] <= written[1]:
        return None
    try:
        found = json.loads(text)
        moment = datetime.fromisoformat(found["timestamp"])
    except (ValueError, KeyError, TypeError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if not chosen.since <= moment < chosen.until:
        return None
    return LogLine(local(moment, chosen.zone), found, text.decode(errors="replace").strip())


def _written(moment: datetime) -> bytes:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds").encode()


def _error_type(line: Mapping[str, Any]) -> str:
    """Return the error type as the report's table has it."""
    found = line.get("error_type") or (line.get("task") if line.get("status") == "failed" else "")
    return str(found or "")[:100]


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
