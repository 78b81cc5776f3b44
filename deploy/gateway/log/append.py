"""Append lines to a shared file.

Other processes may rotate or remove it. The file is opened for each batch of lines, so that rotation by rename needs no
signal, a removed folder is created again, and writing recovers after a full disk or a lack of descriptors. A lock on
the file serializes processes that append to it: a process that has the lock and still finds the file at its path has
exclusive access.
"""

import contextlib
import fcntl
import functools
import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from deploy.gateway.log.rotation import Rotation, rotate

_MODE = 0o640  # users' texts must not be readable by all users of the machine

logger = logging.getLogger(__name__)


def append(path: Path, lines: bytes, rotation: Rotation | None = None) -> int:
    """Append lines after any due rotation.

    Args:
        path: the file; created with its folder if missing.
        lines: whole lines, each with its newline.
        rotation: when the file is rotated; None leaves that to other programs.

    Returns:
        The number of bytes written; less than all, in whole lines, if the disk is full.

    Raises:
        OSError: not even one line could be written.
    """
    if rotation:
        _rotate_if_due(path, len(lines), rotation)
    with _locked(path) as file:
        return _write(file, lines)


def _rotate_if_due(path: Path, added_bytes: int, rotation: Rotation) -> None:
    with _locked(path) as file:
        status = os.fstat(file)
        if stat.S_ISREG(status.st_mode) and rotation.is_due(status, added_bytes):
            try:
                rotate(path, rotation)
            except OSError as error:  # a file that is too large is better than lost lines
                _log_once(f"{path} cannot be rotated: {error.strerror}")


@functools.cache
def _log_once(message: str) -> None:
    logger.error(message)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Open and lock the file at the path."""
    while True:
        file = _open(path)
        try:
            _lock(path, file)
            if _is_at(path, file):
                yield file
                return
        finally:
            os.close(file)  # releases the lock, too


def _lock(path: Path, file: int) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError as error:  # some network file systems have no locks
        _log_once(f"{path} cannot be locked: {error.strerror}; let only one process write it")


def _open(path: Path) -> int:
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT
    try:
        return os.open(path, flags, _MODE)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, flags, _MODE)


def _is_at(path: Path, file: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file))
    except FileNotFoundError:
        return False


def _write(file: int, lines: bytes) -> int:
    if _is_torn(file):
        os.write(file, b"\n")
    done = 0
    try:
        while done < len(lines):
            done += os.write(file, lines[done:] if done else lines)
    except OSError:
        whole = lines.rfind(b"\n", 0, done) + 1
        if whole < done:
            with contextlib.suppress(OSError):  # if this fails, the next batch ends the torn line
                os.ftruncate(file, os.fstat(file).st_size - (done - whole))
        if not whole:
            raise
        return whole
    return done


def _is_torn(file: int) -> bool:
    """Return whether the last line is incomplete.

    Its process was killed. The line is ended, not removed: a program that follows the file may have read it already.
    """
    status = os.fstat(file)
    return stat.S_ISREG(status.st_mode) and status.st_size > 0 and os.pread(file, 1, status.st_size - 1) != b"\n"
