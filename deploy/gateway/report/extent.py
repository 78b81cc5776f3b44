"""Find the times of a log's first and last line."""

import gzip
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from deploy.gateway.report.files import LogFile, open_logs

_READ_BYTES = 1 << 16
_EPOCH = datetime.fromtimestamp(0, UTC)


class Extent(NamedTuple):
    """The times of the first and the last line."""

    first: datetime
    last: datetime


def log_extent(log: Path) -> Extent | None:
    """Return the times of a log's first and last line.

    Only the beginning and the end of each file are read. The last line of a gzipped file is taken to be as old as
    the file.

    Args:
        log: the gateway's log file or its folder; rotated and gzipped files are read as well.

    Returns:
        None if no line has a timestamp.

    Raises:
        NoLogError: no log file exists.
        ReportError: a file cannot be read.
    """
    with open_logs(log, _EPOCH) as files:
        times = [moment for file in files for moment in _times(file)]
    return Extent(min(times), max(times)) if times else None


def _times(file: LogFile) -> Iterator[datetime]:
    if file.is_gzip:
        with gzip.open(file.source) as content:  # opened again, with a position of its own
            yield from _first(content.read(_READ_BYTES).splitlines())
        yield datetime.fromtimestamp(os.fstat(file.descriptor).st_mtime, UTC)
        return
    size = os.fstat(file.descriptor).st_size
    yield from _first(os.pread(file.descriptor, _READ_BYTES, 0).splitlines())
    yield from _first(reversed(os.pread(file.descriptor, _READ_BYTES, max(size - _READ_BYTES, 0)).splitlines()))


def _first(lines: Iterable[bytes]) -> Sequence[datetime]:
    """Return the time of the first line that has one."""
    return list(islice(filter(None, (_time(line) for line in lines)), 1))


def _time(line: bytes) -> datetime | None:
    """Return a line's timestamp.

    It is None if the line is cut off or not of the log.
    """
    try:
        moment = datetime.fromisoformat(json.loads(line)["timestamp"])
    except (ValueError, KeyError, TypeError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
