"""Open an in-memory DuckDB with access to given files."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

import duckdb

MEMORY_LIMIT = "256MiB"
"""DuckDB's memory limit; beyond it, data spills to disk."""

THREADS = 2
"""The number of threads, each with a read buffer of 50 MB."""

_POLL_S = 0.05


@contextmanager
def open_database(files: Sequence[Path], threads: int = THREADS) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an empty database that may read ``files``.

    Spilled data is deleted on close.

    https://duckdb.org/docs/stable/operations_manual/securing_duckdb/overview

    Yields:
        A connection whose settings are locked, without access to other files, the network or extensions.
    """
    with TemporaryDirectory(prefix="report-") as spill:
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": MEMORY_LIMIT,
            "threads": min(threads, os.cpu_count() or 1),
            "preserve_insertion_order": False,
            "temp_directory": spill,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
        with duckdb.connect(config=config) as connection:
            connection.execute("SET enable_progress_bar = false")
            connection.execute("SET allowed_paths = $1", [[str(path) for path in files]])
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
            yield connection


@contextmanager
def interrupted(
    connection: duckdb.DuckDBPyConnection, after_s: float, cancelled: threading.Event | None = None
) -> Iterator[Callable[[], None]]:
    """Interrupt the block's statements on timeout or cancellation.

    DuckDB then raises InterruptException. The interrupt is repeated, as it has no effect between two statements.

    Yields:
        A function to call before each statement; it raises InterruptException after the timeout or cancellation.
    """
    done, deadline = threading.Event(), monotonic() + after_s

    def is_over() -> bool:
        return monotonic() > deadline or (cancelled is not None and cancelled.is_set())

    def check() -> None:
        if is_over():
            msg = "the report was cancelled or timed out"
            raise duckdb.InterruptException(msg)

    def watch() -> None:
        while not done.wait(_POLL_S):
            if is_over():
                connection.interrupt()

    watcher = threading.Thread(target=watch, name="report-watch", daemon=True)
    watcher.start()
    try:
        yield check
    finally:
        done.set()
        watcher.join()
