"""Open the log files of a time range."""

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from deploy.gateway.report.errors import NoLogError, ReportError

_CLOCKS_DIFFER = timedelta(minutes=1)
_TRIES = 20
# The suffixes of rotated files: .1, -20260405, -20260405T102345.123456Z, and .gz
_ROTATED = r"([-._]\d[-\dTZ:._]*)?"


@dataclass(frozen=True, slots=True)
class LogFile:
    """An open file and its name at opening."""

    path: Path
    descriptor: int

    @property
    def source(self) -> Path:
        """The path of the open file.

        It is valid even after a rename or removal.
        """
        return Path(f"/dev/fd/{self.descriptor}")

    @property
    def is_gzip(self) -> bool:
        """Whether the file is compressed with gzip."""
        return self.path.suffix == ".gz"


@contextmanager
def open_logs(log: Path, since: datetime) -> Iterator[tuple[LogFile, ...]]:
    """Open the log file and its rotated files.

    Files last modified before the range are skipped. Files that are renamed, compressed or removed later can still be
    read.

    Args:
        log: the gateway's log file, which may be missing during a rotation, or its folder.
        since: the start of the range, an aware time.

    Yields:
        The files, without duplicates.

    Raises:
        NoLogError: no log file exists.
        ReportError: a file cannot be read.
    """
    for _ in range(_TRIES):
        with ExitStack() as stack:
            files = tuple(file for path in _listed(log) if (file := _open(path, stack)))
            # If the names still refer to the same files after opening, no rotation happened in between.
            opened = [(file.path, _identity(file.descriptor)) for file in files]
            if opened == [(path, _identity(path)) for path in _listed(log)]:
                yield tuple(file for file in files if _can_hold(file, since))
                return
    msg = f"the log files at {log} are rotated all the time; rotate less often"
    raise ReportError(msg)


def _listed(log: Path) -> list[Path]:
    try:
        folder, pattern = (log, _names(None)) if log.is_dir() else (log.parent, _names(log.name))
        found = {path.name: path for path in folder.iterdir() if pattern.fullmatch(path.name) and path.is_file()}
    except FileNotFoundError as error:
        msg = f"no log file at {log}; give the gateway's log file or its folder with --log"
        raise NoLogError(msg) from error
    except OSError as error:
        msg = f"the log at {error.filename} cannot be read ({error.strerror}); give a log file or folder with --log"
        raise ReportError(msg) from error
    if not found:
        msg = f"no log file at {log}; give the gateway's log file or its folder with --log"
        raise NoLogError(msg)
    # During compression both files exist, and only the plain one is complete.
    return [path for name, path in sorted(found.items()) if name.removesuffix(".gz") not in found.keys() - {name}]


def _names(name: str | None) -> re.Pattern[str]:
    stem, suffix = (re.escape(Path(name).stem), re.escape(Path(name).suffix)) if name else (r"[^.].*", r"\.log")
    return re.compile(rf"{stem}{_ROTATED}{suffix}{_ROTATED}(\.gz)?")


def _open(path: Path, stack: ExitStack) -> LogFile | None:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None  # rotated since it was listed
    except OSError as error:
        msg = f"the log file {path} cannot be read ({error.strerror}); run the report as a user who may read it"
        raise ReportError(msg) from error
    stack.callback(os.close, descriptor)
    return LogFile(path, descriptor)


def _identity(file: Path | int) -> tuple[int, int] | None:
    """Return device and inode of a file.

    Return None if it does not exist.
    """
    try:
        status = file.stat() if isinstance(file, Path) else os.fstat(file)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _can_hold(file: LogFile, since: datetime) -> bool:
    """Return whether a file may contain lines of the range."""
    status = os.fstat(file.descriptor)
    return status.st_size > 0 and status.st_mtime >= (since - _CLOCKS_DIFFER).timestamp()
