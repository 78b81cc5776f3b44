"""Read rows of Parquet files."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from deploy.batch.chunk import Chunk
from deploy.batch.errors import BatchError
from deploy.batch.layout import Layout, Row, build_row, check_id
from deploy.batch.rows.base import InputFile, Part
from deploy.batch.storage import Storage


class ParquetReader:
    """Read rows of a layout.

    Only the columns of the layout are read. The last row group stays in memory, as several chunks share it.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._group: tuple[tuple[str, int], pa.Table] | None = None

    def scan(self, file: InputFile, rows: int, digest: Any) -> Iterator[Part]:
        """Cut a file within its row groups (see `Reader.scan`)."""
        storage = Storage(file.url)
        with storage.open(file.url) as opened:
            parquet = _open(opened, file.name)
            self._check_schema(parquet.schema_arrow, file.name)
            # The footer has the sizes, places and statistics of all columns.
            digest.update(repr(parquet.metadata.to_dict()).encode())
            for group, (first, end) in enumerate(pairwise(_starts(parquet))):
                ids = self._ids(parquet, group)
                for start in range(first, end, rows):
                    stop = min(start + rows, end)
                    found = [
                        (f"{file.name}:{row + 1}", ids[row - first])
                        for row in range(start, stop)
                        if ids and _is_valid(ids[row - first])
                    ]
                    yield Part(Chunk(0, file.url, file.name, start, stop, start + 1, stop - start), found)

    def read(self, chunk: Chunk) -> list[Row]:
        """Return the rows of a chunk (see `Reader.read`)."""
        with Storage(chunk.url).open(chunk.url) as opened:
            parquet = _open(opened, chunk.name)
            starts = _starts(parquet)
            group = next(index for index, end in enumerate(starts[1:]) if chunk.start < end)
            table = self._read_group(parquet, chunk.url, group)
        rows = table.slice(chunk.start - starts[group], chunk.rows).to_pylist()
        return [
            build_row(f"{chunk.name}:{number}", fields, self._layout) for number, fields in enumerate(rows, chunk.line)
        ]

    def _read_group(self, parquet: pq.ParquetFile, url: str, group: int) -> pa.Table:
        if self._group is None or self._group[0] != (url, group):
            self._group = None  # before the next one is read
            names = (*self._layout.required, *self._layout.optional)
            columns = [name for name in dict.fromkeys(names) if name in parquet.schema_arrow.names]
            self._group = (url, group), parquet.read_row_group(group, columns=columns)
        return self._group[1]

    def _ids(self, parquet: pq.ParquetFile, group: int) -> list[Any]:
        if self._layout.id_column is None:
            return []
        table = parquet.read_row_group(group, columns=[self._layout.id_column])
        ids: list[Any] = table.column(0).to_pylist()
        return ids

    def _check_schema(self, schema: pa.Schema, name: str) -> None:
        self._layout.check_columns(schema.names, name)
        for column in (*self._layout.columns, *self._layout.optional):
            if column in schema.names and not _is_string(schema.field(column).type):
                msg = f"column {column!r} of {name} is {schema.field(column).type}; a text must be a string"
                raise BatchError(msg)
        if self._layout.id_column is not None:
            kind = schema.field(self._layout.id_column).type
            if not _is_string(kind) and not pa.types.is_integer(kind):
                msg = f"column {self._layout.id_column!r} of {name} is {kind}; an id must be a string or an integer"
                raise BatchError(msg)


def _open(opened: Any, name: str) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(opened)
    except (pa.ArrowInvalid, OSError) as error:
        msg = f"{name} is not a Parquet file: {error}"
        raise BatchError(msg) from error


def _starts(parquet: pq.ParquetFile) -> list[int]:
    """Return the first row of each group, and the end."""
    starts = [0]
    for group in range(parquet.num_row_groups):
        starts.append(starts[-1] + parquet.metadata.row_group(group).num_rows)
    return starts


def _is_string(kind: pa.DataType) -> bool:
    types = pa.types
    if types.is_dictionary(kind):
        kind = kind.value_type
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _is_valid(value: Any) -> bool:
    try:
        check_id(value)
    except ValueError:  # InputError is one
        return False
    return True
