"""Read labelled text from TSV, CSV or JSONL files."""

import csv
import io
import json
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from export.finetune.errors import LabelledTextError

Row = tuple[int, Mapping[str, Any]]
"""A line number, and the line's values by column."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a file of labelled text.

    Attributes:
        text: the name of the text's column.
        label: the name of the label's column.
        pair: the name of the second text's column, or None.
        header: the columns' names in order, for a file whose first line is data; None if the first line names them.
        separator: what separates the labels of a text; None if each text has one label.
    """

    text: str = "text"
    label: str = "label"
    pair: str | None = None
    header: tuple[str, ...] | None = None
    separator: str | None = None

    @property
    def used(self) -> tuple[str, ...]:
        """Return the names that a file must have."""
        return tuple(name for name in (self.text, self.pair, self.label) if name is not None)


@dataclass(frozen=True, slots=True)
class Example:
    """A labelled text.

    Attributes:
        line: its line number in the file, from 1.
        text: the text.
        pair: the second text of a pair, or None.
        labels: its labels, exactly one unless the task is multi-label.
    """

    line: int
    text: str
    pair: str | None
    labels: tuple[str, ...]


def read_examples(path: Path, columns: Columns) -> list[Example]:
    """Read the labelled texts of a file.

    The file's name determines its format: ``.tsv`` and ``.txt`` have tab-separated columns without quoting, ``.csv``
    has RFC 4180's, ``.jsonl`` has one JSON object per line.

    Raises:
        LabelledTextError: the file is damaged; the message has the line number.
    """
    readers = {".tsv": _tsv_rows, ".txt": _tsv_rows, ".csv": _csv_rows, ".jsonl": _json_rows, ".ndjson": _json_rows}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        msg = f"{path} is not {', '.join(readers)}; rename it to the format that it has"
        raise LabelledTextError(msg)
    examples = [_example(path, line, row, columns) for line, row in reader(path, _decoded(path), columns)]
    if not examples:
        msg = f"{path} has no labelled texts; write one per line"
        raise LabelledTextError(msg)
    return examples


def _decoded(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}"
        raise LabelledTextError(msg) from error
    try:
        return content.removeprefix(BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        encoding = _likely_encoding(content)
        line = content.count(b"\n", 0, error.start) + 1
        found = f"line {line} is not UTF-8" + (f", the file is probably {encoding}" if encoding else "")
        convert = f"iconv -f {encoding or 'ENCODING'} -t UTF-8 {path} > converted{path.suffix}"
        msg = f"{path}: {found}; convert it with `{convert}`"
        raise LabelledTextError(msg) from error


def _likely_encoding(content: bytes) -> str | None:
    if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        return "UTF-16"
    try:
        content.decode("gb18030")  # GBK's superset
    except UnicodeDecodeError:
        return None
    return "GB18030"


def _tsv_rows(path: Path, content: str, columns: Columns) -> Iterator[Row]:
    # Not str.splitlines: U+2028 and U+0085 end no line here.
    lines = content.replace("\r\n", "\n").removesuffix("\n").split("\n") if content else []
    return _table_rows(path, ((number, line.split("\t")) for number, line in enumerate(lines, 1)), columns)


def _csv_rows(path: Path, content: str, columns: Columns) -> Iterator[Row]:
    return _table_rows(path, _csv_cells(path, content), columns)


def _csv_cells(path: Path, content: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(content, newline=""), strict=True)
    start = 1  # a quoted cell may span lines; reader.line_num is the last
    try:
        for cells in reader:
            yield start, cells
            start = reader.line_num + 1
    except csv.Error as error:
        msg = f"{path}, line {start}: invalid CSV ({error}); write a quote inside a quoted cell twice"
        raise LabelledTextError(msg) from error


def _table_rows(path: Path, lines: Iterator[tuple[int, list[str]]], columns: Columns) -> Iterator[Row]:
    """Yield the rows of a table as mappings."""
    header = columns.header
    if header is None:
        _, cells = next(lines, (0, []))
        header = tuple(cell.strip() for cell in cells)
    _check_header(path, header, columns)
    for line, cells in lines:
        if not any(cells):
            msg = f"{path}, line {line} is empty; remove it"
            raise LabelledTextError(msg)
        if len(cells) != len(header):
            msg = (
                f"{path}, line {line} has {len(cells)} columns instead of {len(header)} ({', '.join(header)}); "
                "remove separators inside the text, or write the file as JSONL"
            )
            raise LabelledTextError(msg)
        yield line, dict(zip(header, cells, strict=True))


def _check_header(path: Path, header: Sequence[str], columns: Columns) -> None:
    if repeated := [name for place, name in enumerate(header) if name in header[:place]]:
        msg = f"{path} has two columns named {repeated[0]!r}; rename one"
        raise LabelledTextError(msg)
    if missing := [name for name in columns.used if name not in header]:
        found = ", ".join(name if len(name) <= 20 else f"{name[:20]}…" for name in header[:8]) or "nothing"
        msg = (
            f"{path} has no column {missing[0]!r} (its first line is {found}); name the columns with --text-column and "
            "--label-column, or with --header if the first line is data"
        )
        raise LabelledTextError(msg)


def _json_rows(path: Path, content: str, columns: Columns) -> Iterator[Row]:
    lines = content.removesuffix("\n").split("\n") if content else []
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line, object_pairs_hook=_unique)
        except (ValueError, RecursionError) as error:
            msg = f"{path}, line {number}: invalid JSON ({error}); write one object per line"
            raise LabelledTextError(msg) from error
        if not isinstance(row, dict):
            msg = f"{path}, line {number} is not a JSON object; write one per line, with the columns as keys"
            raise LabelledTextError(msg)
        if missing := [name for name in columns.used if name not in row]:
            found = ", ".join(list(row)[:8]) or "none"
            msg = (
                f"{path}, line {number} has no {missing[0]!r} (its keys: {found}); name the keys with --text-column "
                "and --label-column"
            )
            raise LabelledTextError(msg)
        yield number, row


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        msg = "a key is repeated"
        raise ValueError(msg)
    return found


def _example(path: Path, line: int, row: Mapping[str, Any], columns: Columns) -> Example:
    place = f"{path}, line {line}"
    pair = None if columns.pair is None else _text(place, row[columns.pair])
    return Example(line, _text(place, row[columns.text]), pair, _labels(place, row[columns.label], columns))


def _text(place: str, value: Any) -> str:
    if not isinstance(value, str):
        msg = f"{place}: the text is {json.dumps(value)[:40]}; write a string"
        raise LabelledTextError(msg)
    if not value.strip():
        msg = f"{place}: the text is empty; write a text or remove the line"
        raise LabelledTextError(msg)
    return value


def _labels(place: str, value: Any, columns: Columns) -> tuple[str, ...]:
    if columns.separator is None:
        if isinstance(value, list):
            msg = f"{place} has a list of labels; add --multi-label if texts have several labels"
            raise LabelledTextError(msg)
        return (_label(place, value),)
    if isinstance(value, str):
        value = value.split(columns.separator) if value.strip() else []
    labels = tuple(_label(place, each) for each in (value if isinstance(value, list) else [value]))
    if len({*labels}) < len(labels):
        msg = f"{place} has a label twice ({', '.join(labels)}); remove one"
        raise LabelledTextError(msg)
    return labels


def _label(place: str, value: Any) -> str:
    if type(value) not in (str, int):  # exact types: JSON's true is an int in Python
        msg = f"{place}: the label is {json.dumps(value)[:40]}; write a string"
        raise LabelledTextError(msg)
    label = str(value).strip()
    if not label:
        msg = f"{place}: the label is empty; write one or remove the line"
        raise LabelledTextError(msg)
    return label
