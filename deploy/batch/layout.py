"""Describe where rows have their ids and texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bert_mlm_client.errors import InputError

from deploy.batch.errors import BatchError

Format = Literal["txt", "jsonl", "csv", "parquet"]

FORMATS: Mapping[str, Format] = {
    ".txt": "txt",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".parquet": "parquet",
}

Id = str | int


@dataclass(frozen=True, slots=True)
class Layout:
    """Columns of the input.

    Attributes:
        format: the format of all files.
        columns: the columns or fields of a question's texts, in order.
        optional: further columns that a row need not have.
        id_column: the column of the ids; None for ids from file and line.
        encoding: the encoding of text files.
    """

    format: Format
    columns: tuple[str, ...] = ("text",)
    optional: tuple[str, ...] = ()
    id_column: str | None = None
    encoding: str = "utf-8"

    @property
    def required(self) -> tuple[str, ...]:
        """Return the columns that every row must have."""
        return self.columns if self.id_column is None else (self.id_column, *self.columns)

    def check_columns(self, found: Sequence[str], where: str) -> None:
        """Check a file's columns.

        Raises:
            BatchError: a required column is missing, or there twice.
        """
        for name in self.required:
            if name not in found:
                option = "--id-column" if name == self.id_column else "--columns"
                listed = ", ".join(map(repr, found)) or "nothing"
                msg = f"{where} has no column {name!r} but {listed:.200}; name one with {option}"
                raise BatchError(msg)
            if found.count(name) > 1:
                msg = f"{where} has two columns named {name!r}; rename one"
                raise BatchError(msg)


@dataclass(frozen=True, slots=True)
class Row:
    """Row of the input.

    Attributes:
        place: its file and line, or row of a Parquet file, from 1.
        id: its id; None if the row is damaged.
        values: the texts by column.
        error: the error if the row could not be read.
    """

    place: str
    id: Id | None
    values: tuple[Any, ...] = ()
    error: InputError | None = None


def build_row(place: str, fields: Mapping[str, Any], layout: Layout) -> Row:
    """Return the row of a document or record."""
    row_id: Id | None = place
    try:
        if layout.id_column is not None:
            row_id = None
            row_id = check_id(_field(fields, layout.id_column))
        values = [_field(fields, name) for name in layout.columns]
        values += [fields[name] for name in layout.optional if name in fields]
    except InputError as error:
        return Row(place, row_id, error=error)
    return Row(place, row_id, tuple(values))


def check_id(value: Any) -> Id:
    """Return a valid id.

    Raises:
        InputError: it is neither a string nor an integer, or is empty.
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        msg = f"an id must be a string or an integer, not {value!r:.40}"
        raise InputError(msg)
    if value == "":
        msg = "the id is empty"
        raise InputError(msg)
    return value


def _field(fields: Mapping[str, Any], name: str) -> Any:
    if name not in fields:
        msg = f"the row has no {name!r} but {', '.join(map(repr, fields)) or 'nothing':.200}"
        raise InputError(msg)
    return fields[name]
