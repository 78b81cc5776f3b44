"""DuckDB in memory, small and shut in: it reads the files it is given, and nothing else."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

MEMORY_LIMIT = "256MiB"
"""What DuckDB may hold before it spills to disk."""

_THREADS = 2  # each takes 50 MB for what it reads


@contextmanager
def open_database(files: Sequence[Path]) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an empty database that may read ``files``, and remove what it spilled when it is closed.

    https://duckdb.org/docs/stable/operations_manual/securing_duckdb/overview

    Yields:
        A connection whose settings are locked, without access to other files, the network or extensions.
    """
    with TemporaryDirectory(prefix="report-") as spill:
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": MEMORY_LIMIT,
            "threads": min(_THREADS, os.cpu_count() or 1),
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
