"""Rotate a log file by size and time."""

import contextlib
import fcntl
import gzip
import logging
import os
import re
import shutil
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

logger = logging.getLogger(__name__)

_DATE = "%Y%m%dT%H%M%S.%fZ"


@dataclass(frozen=True, slots=True)
class Rotation:
    """The settings of rotation.

    Attributes:
        max_bytes: the maximum size of a file; None is no limit.
        interval_s: the time span of a file, counted from midnight UTC; None is no limit.
        keep: the number of rotated files to keep.
        compress: whether rotated files are compressed with gzip.
    """

    max_bytes: int | None = 256 * 2**20
    interval_s: float | None = 86_400.0
    keep: int = 14
    compress: bool = False

    def is_due(self, file: os.stat_result, added_bytes: int) -> bool:
        """Return whether to rotate a file before adding bytes.

        An empty file is never rotated. The modification time is the same for all processes and survives restarts.
        """
        if not file.st_size:
            return False
        if self.max_bytes is not None and file.st_size + added_bytes > self.max_bytes:
            return True
        return self.interval_s is not None and file.st_mtime // self.interval_s < time.time() // self.interval_s


def rotate(path: Path, rotation: Rotation) -> None:
    """Rotate the file.

    It is renamed; rotated files are compressed and removed in the background. The caller holds the file's lock.

    Raises:
        OSError: the file cannot be renamed.
    """
    path.rename(_new_name(path))
    threading.Thread(target=tidy, args=(path, rotation), name="log-rotation", daemon=True).start()


def rotated(path: Path) -> list[Path]:
    """Return the rotated files, oldest first.

    If a file exists both plain and compressed, the plain one counts, as its compression did not finish.
    """
    pattern = re.compile(rf"{re.escape(path.name)}-\d{{8}}T\d{{6}}\.\d{{6}}Z(?:\.gz)?")
    names = {file.name for file in path.parent.iterdir() if pattern.fullmatch(file.name)}
    return [path.with_name(name) for name in sorted(names) if name.removesuffix(".gz") not in names - {name}]


def tidy(path: Path, rotation: Rotation) -> None:
    """Remove surplus rotated files and compress the others.

    Interrupted work is repeated next time.
    """
    try:
        files = rotated(path)
        surplus = max(0, len(files) - rotation.keep)
        for file in files[:surplus]:
            file.unlink(missing_ok=True)
        for file in files[surplus:]:
            if rotation.compress and file.suffix != ".gz":
                with contextlib.suppress(FileNotFoundError):  # another process has compressed it
                    _compress(file)
    except FileNotFoundError:
        pass  # the folder was removed
    except OSError as error:
        logger.warning("%s cannot be tidied up: %s", error.filename or path, error.strerror)


def _new_name(path: Path) -> Path:
    """Return an unused name.

    Microseconds keep the names in chronological order.
    """
    while True:
        name = path.with_name(f"{path.name}-{datetime.now(UTC).strftime(_DATE)}")
        if not name.exists():
            return name


def _compress(file: Path) -> None:
    """Compress a file in place.

    If another thread or process is compressing it, nothing is done.
    """
    unfinished = file.with_name(f".{file.name}.gz")
    with file.open("rb") as lines:
        try:
            fcntl.flock(lines, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        if not os.fstat(lines.fileno()).st_nlink:
            return  # compressed between opening and locking
        try:
            with gzip.open(unfinished, "wb", compresslevel=6) as compressed:
                shutil.copyfileobj(lines, compressed, 2**20)
            shutil.copystat(file, unfinished)
            unfinished.rename(file.with_name(f"{file.name}.gz"))
            file.unlink()
        finally:
            unfinished.unlink(missing_ok=True)
