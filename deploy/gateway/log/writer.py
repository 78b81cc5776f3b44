"""Write log lines in a thread.

Requests do not wait for a disk or a reader. ``logging.handlers`` does not suffice: its queue is bounded by lines rather
than bytes, and lines that cannot be written are lost without being counted.
"""

import atexit
import logging
import os
import threading
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Literal, Self

from deploy.gateway.log.append import append
from deploy.gateway.log.json_lines import encode
from deploy.gateway.log.lines import LostLines
from deploy.gateway.log.rotation import Rotation

CAPACITY_BYTES = 32 * 2**20
"""The capacity of the file's queue, about 80,000 lines or a minute of the busiest gateway."""
STDOUT_CAPACITY_BYTES = 8 * 2**20
"""The capacity of standard output's queue, which is smaller as the file has the same lines."""
STDOUT = 1

FLUSH_S = 0.1
RETRY_S = 1.0
CLOSE_S = 5.0
_CHUNK_BYTES = 65_536  # the capacity of a Linux pipe

LossReason = Literal["queue_full", "closed", "unwritable"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WriterStatus:
    """The state of a writer.

    Attributes:
        lines_written: lines in the file or the stream.
        lines_lost: lost lines by reason: the queue was full, the writer was closed, or the file or stream could not be
            written until the end.
        bytes_waiting: the size of the queue.
        problem: why it cannot be written now, or None.
    """

    lines_written: int
    lines_lost: Mapping[LossReason, int]
    bytes_waiting: int
    problem: str | None


class LineWriter(ABC):
    """Write lines in order and in batches.

    A batch is written every tenth of a second. If writing fails, lines stay queued and writing is retried every second.
    When ``capacity_bytes`` are queued, further lines are dropped, since requests must not wait; their number is logged
    when writing works again. SIGKILL and power failure lose the queue.

    The first failure and the first loss are logged at once through Python's logging, that is, to stderr.
    """

    _close_s = CLOSE_S

    def __init__(self, name: str, *, capacity_bytes: int, origin: Mapping[str, str] = MappingProxyType({})) -> None:
        """Start the thread.

        Args:
            name: the name of the file or stream in messages.
            capacity_bytes: the capacity of the queue.
            origin: the values of ``instance`` and ``service_version`` in all lines.
        """
        self.origin = origin
        self._name = name
        self._capacity_bytes = capacity_bytes
        self._lock = threading.Lock()  # guards the fields up to the blank line
        self._waiting: list[bytes] = []
        self._bytes_waiting = 0
        self._lines_written = 0
        self._lines_lost: Counter[LossReason] = Counter()
        self._lost_unreported = 0
        self._problem: str | None = None
        self._closed = False

        self._unwritten = b""  # taken from the queue; used only by the thread
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def status(self) -> WriterStatus:
        """The current state of the log."""
        with self._lock:
            return WriterStatus(self._lines_written, dict(self._lines_lost), self._bytes_waiting, self._problem)

    def write(self, line: bytes) -> bool:
        """Queue a line with its newline.

        Thread-safe; does not block.

        Returns:
            False if the line is lost.
        """
        with self._lock:
            if self._closed:
                self._lines_lost["closed"] += 1
                return False
            if self._bytes_waiting + len(line) <= self._capacity_bytes:
                self._waiting.append(line)
                self._bytes_waiting += len(line)
                return True
            self._lines_lost["queue_full"] += 1
            self._lost_unreported += 1
            is_first = self._lost_unreported == 1
        if is_first:
            logger.error("%s: lines are lost, since too many wait", self._name)
        return False

    def close(self) -> None:
        """Write the queue and stop the thread.

        Later lines are lost. It waits a few seconds for a file or stream that blocks, for example on a network. Do not
        call this in a signal handler, which may have interrupted ``write``.
        """
        with self._lock:
            self._closed = True
        self._closing.set()
        self._thread.join(self._close_s)
        if self._thread.is_alive():
            logger.error("%s does not answer; %d bytes of lines are lost", self._name, self._bytes_waiting)
        atexit.unregister(self.close)

    @abstractmethod
    def _append(self, lines: bytes) -> int:
        """Write all or part of the lines.

        Returns:
            The number of bytes written, at least one.

        Raises:
            OSError: nothing could be written.
        """

    def _run(self) -> None:
        while not self._closing.wait(RETRY_S if self._problem else FLUSH_S):
            self._write_waiting()
        self._write_waiting()
        while self._waiting:  # the line about lost lines
            self._write_waiting()
        self._count_unwritten()

    def _write_waiting(self) -> None:
        with self._lock:
            lines, self._waiting = self._waiting, []
        self._unwritten += b"".join(lines)
        if not self._unwritten:
            return
        try:
            while self._unwritten:
                self._count(self._append(self._unwritten))
        except OSError as error:
            self._fail(error)
        else:
            self._recover()

    def _count(self, written_bytes: int) -> None:
        with self._lock:
            self._lines_written += self._unwritten.count(b"\n", 0, written_bytes)
            self._bytes_waiting -= written_bytes
        self._unwritten = self._unwritten[written_bytes:]

    def _fail(self, error: OSError) -> None:
        problem = error.strerror or str(error)
        with self._lock:
            is_new, self._problem = problem != self._problem, problem
        if is_new:
            logger.error("%s cannot be written: %s; lines wait, and are lost when too many do", self._name, problem)

    def _recover(self) -> None:
        with self._lock:
            problem, self._problem = self._problem, None
            lost, self._lost_unreported = self._lost_unreported, 0
            if lost:
                reason = problem or "lines were written more slowly than they arrived"
                line = encode(LostLines(lost_lines=lost, error=reason), self.origin)
                self._waiting.append(line)
                self._bytes_waiting += len(line)
        if problem or lost:
            logger.warning("%s is written again; %d lines were lost", self._name, lost)

    def _count_unwritten(self) -> None:
        lost = self._unwritten.count(b"\n")
        if lost:
            with self._lock:
                self._lines_lost["unwritable"] += lost
            logger.error("%s could not be written: %s; the last %d lines are lost", self._name, self._problem, lost)


class LogWriter(LineWriter):
    """Append lines to a file.

    Writing is retried after a full disk or a missing permission.
    """

    def __init__(
        self,
        path: Path,
        *,
        rotation: Rotation | None = None,
        capacity_bytes: int = CAPACITY_BYTES,
        origin: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Start the thread.

        The file is opened with the first line.

        Args:
            path: the file; its folder is created if missing.
            rotation: when the file is rotated; None leaves that to logrotate.
            capacity_bytes: the capacity of the queue.
            origin: see `LineWriter`.
        """
        self._path = path
        self._rotation = rotation
        super().__init__(str(path), capacity_bytes=capacity_bytes, origin=origin)

    def _append(self, lines: bytes) -> int:
        return append(self._path, lines, self._rotation)


class StdoutWriter(LineWriter):
    """Write lines to standard output.

    A slow reader blocks only the thread. A closed pipe or terminal never recovers, but is retried as any other failure,
    since a redirected disk can recover.
    """

    _close_s = 1.0  # a reader that has stopped rarely returns

    def __init__(
        self,
        *,
        descriptor: int = STDOUT,
        capacity_bytes: int = STDOUT_CAPACITY_BYTES,
        origin: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Start the thread.

        Args:
            descriptor: the file descriptor.
            capacity_bytes: the capacity of the queue.
            origin: see `LineWriter`.
        """
        self._descriptor = descriptor
        super().__init__("standard output", capacity_bytes=capacity_bytes, origin=origin)

    def _append(self, lines: bytes) -> int:
        # In chunks, so that a slow reader counts as progress and not as one long write.
        return os.write(self._descriptor, lines[:_CHUNK_BYTES])
