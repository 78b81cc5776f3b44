"""Rotate a log file by rename: by size and by time, a number of files kept, older ones compressed if wanted."""

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
    """When a file is rotated, and what becomes of the rotated ones.

    Attributes:
        max_bytes: a file that would be larger is rotated first; None is without limit.
        interval_s: a file holds lines of one such interval, counted from midnight UTC; None is without limit.
        keep: how many rotated files stay.
        compress: whether rotated files are compressed with gzip.
    """

    max_bytes: int | None = 256 * 2**20
    interval_s: float | None = 86_400.0
    keep: int = 14
    compress: bool = False

    def is_due(self, file: os.stat_result, added_bytes: int) -> bool:
        """Tell whether a file is to be rotated before so many bytes are added; an empty one never is.

        When a file was last written is the same for every process and survives restarts.
        """
        if not file.st_size:
            return False
        if self.max_bytes is not None and file.st_size + added_bytes > self.max_bytes:
            return True
        return self.interval_s is not None and file.st_mtime // self.interval_s < time.time() // self.interval_s


def rotate(path: Path, rotation: Rotation) -> None:
    """Rename the file, and compress and remove rotated files in the background.

    The caller holds the file's lock.

    Raises:
        OSError: the file cannot be renamed.
    """
    path.rename(_new_name(path))
    threading.Thread(target=tidy, args=(path, rotation), name="log-rotation", daemon=True).start()


def rotated(path: Path) -> list[Path]:
    """Return the files that ``rotate`` made of this one, oldest first.

    While a file is there both plain and compressed, the plain one counts: compressing it was not finished.
    """
    pattern = re.compile(rf"{re.escape(path.name)}-\d{{8}}T\d{{6}}\.\d{{6}}Z(?:\.gz)?")
    names = {file.name for file in path.parent.iterdir() if pattern.fullmatch(file.name)}
    return [path.with_name(name) for name in sorted(names) if name.removesuffix(".gz") not in names - {name}]


def tidy(path: Path, rotation: Rotation) -> None:
    """Remove the rotated files that are too many and compress the others; what is interrupted is done the next time."""
    try:
        files = rotated(path)
        surplus = max(0, len(files) - rotation.keep)
        for file in files[:surplus]:
            file.unlink(missing_ok=True)
        for file in files[surplus:]:
            if rotation.compress and file.suffix != ".gz":
                with contextlib.suppress(FileNotFoundError):  # another has compressed it since
                    _compress(file)
    except FileNotFoundError:
        pass  # the folder is gone
    except OSError as error:
        logger.warning("%s cannot be tidied up: %s", error.filename or path, error.strerror)


def _new_name(path: Path) -> Path:
    """Return a name that no file has; microseconds keep the files' names in the order of their lines."""
    while True:
        name = path.with_name(f"{path.name}-{datetime.now(UTC).strftime(_DATE)}")
        if not name.exists():
            return name


def _compress(file: Path) -> None:
    """Replace a file by its compressed form, unless another thread or process does so."""
    unfinished = file.with_name(f".{file.name}.gz")
    with file.open("rb") as lines:
        try:
            fcntl.flock(lines, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        if not os.fstat(lines.fileno()).st_nlink:
            return  # it was done between opening and locking
        try:
            with gzip.open(unfinished, "wb", compresslevel=6) as compressed:
                shutil.copyfileobj(lines, compressed, 2**20)
            shutil.copystat(file, unfinished)
            unfinished.rename(file.with_name(f"{file.name}.gz"))
            file.unlink()
        finally:
            unfinished.unlink(missing_ok=True)
