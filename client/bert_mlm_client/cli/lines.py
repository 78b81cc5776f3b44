"""Read questions from plain, JSON, tab-separated or CSV lines."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from bert_mlm_client.cli.csv_records import NumberedLine, Record, records
from bert_mlm_client.cli.formats import Format
from bert_mlm_client.cli.json_start import is_open_array, kind_of
from bert_mlm_client.errors import InputError

Item = TypeVar("Item")
Fields = Mapping[str, Any]

_BOM = b"\xef\xbb\xbf"
_AS_JSON_LINES = "write one JSON object a line, for example with jq -c '.[]', and give --format jsonl"


@dataclass(frozen=True, slots=True)
class Layout(Generic[Item]):
    """Position of the question in a line.

    Attributes:
        format: ``plain``: the line is a text. ``jsonl``: an object. ``tsv``: tab-separated columns without quotes.
            ``csv``: comma-separated columns, quoted where necessary.
        places: the object's fields; or the columns, by number from 1, or by their names in the first line; empty for
            all columns.
        build: builds the question from their values, or raises InputError.
        guessed: whether the format is the default, in which case a JSON object or array is rejected.
        optional: fields or named columns that follow where a line has them.
    """

    format: Format
    places: Sequence[str]
    build: Callable[..., Item]
    guessed: bool = False
    optional: Sequence[str] = ()

    @property
    def has_header(self) -> bool:
        """Return whether the first line names the columns.

        The first line of CSV does unless numbers are given.
        """
        return not all(place.isdecimal() for place in self.places) or (self.format == "csv" and not self.places)


@dataclass(frozen=True, slots=True)
class Line(Generic[Item]):
    """A line of the input.

    Attributes:
        number: its number, from 1.
        question: its question, or the error if it has none.
        fields: all its fields, which are passed through to the output.
    """

    number: int
    question: Item | InputError
    fields: Fields = field(default_factory=dict)


def read(raw_lines: Iterable[bytes], layout: Layout[Item]) -> Iterator[Line[Item]]:
    r"""Yield the lines that are not blank.

    A line that cannot be read has an error in place of its question.

    Args:
        raw_lines: a binary file. Only ``\n`` and ``\r\n`` end a line: a text may contain U+2028.
        layout: the position of the questions.

    Raises:
        InputError: the first line has no column of a name, or has it twice; or it shows that the file is JSON where
            lines of another format are expected.
    """
    rows, parse, pick = _rows(raw_lines, layout)
    for number, row in rows:
        fields: Fields = {}
        question: Item | InputError
        try:
            if isinstance(row, InputError):
                raise row
            fields = parse(row)
            question = layout.build(*pick(fields))
        except InputError as error:
            question = error
        yield Line(number, question, fields)


_Rows = tuple[Iterator[tuple[int, Any]], Callable[[Any], Fields], Callable[[Fields], Sequence[Any]]]
"""Numbered rows, and the functions that return a row's fields and from them the values of its question."""


def _rows(raw_lines: Iterable[bytes], layout: Layout[Any]) -> _Rows:
    lines = _decoded(raw_lines)
    if layout.format == "csv":
        return _columns(records(lines), layout)
    lines = _check_first((line for line in lines if not _is_blank(line[1])), layout)
    if layout.format == "tsv":
        return _columns(map(_split_at_tabs, lines), layout)
    if layout.format == "plain":
        return lines, lambda line: {"text": line}, lambda fields: [fields["text"]]
    return lines, parse_object, lambda fields: _by_name(fields, layout)


def _decoded(raw_lines: Iterable[bytes]) -> Iterator[NumberedLine]:
    for number, raw in enumerate(raw_lines, 1):
        try:
            yield (
                number,
                raw.removeprefix(_BOM if number == 1 else b"").removesuffix(b"\n").removesuffix(b"\r").decode(),
            )
        except UnicodeDecodeError as error:
            yield number, InputError(f"invalid UTF-8 at byte {error.start + 1}; convert the file")


def _is_blank(line: str | InputError) -> bool:
    return isinstance(line, str) and (not line or line.isspace())


def _check_first(lines: Iterator[NumberedLine], layout: Layout[Any]) -> Iterator[NumberedLine]:
    """Reject a JSON document among lines of another format."""
    for number, line in lines:
        if isinstance(line, str):
            kind = kind_of(line) if layout.guessed else None
            otherwise = f", or --format {layout.format} if it is the text itself"
            if kind == "object":
                msg = f"line {number} is a JSON object; give --format jsonl{otherwise}"
                raise InputError(msg)
            if kind == "array" or (layout.format == "jsonl" and is_open_array(line)):
                msg = f"line {number} starts a JSON array; {_AS_JSON_LINES}{otherwise if kind else ''}"
                raise InputError(msg)
        yield number, line
        break
    yield from lines


def _split_at_tabs(numbered: NumberedLine) -> Record:
    number, line = numbered
    return number, line if isinstance(line, InputError) else line.split("\t")


def _columns(rows: Iterator[Record], layout: Layout[Any]) -> _Rows:
    """Return the rows after the header.

    Raises:
        InputError: the header lacks a name, or has one twice.
    """
    if not layout.has_header:
        indices = [int(place) - 1 for place in layout.places]
        return rows, lambda cells: {"columns": cells}, lambda fields: _by_number(fields["columns"], indices)
    _, first = next(rows, (0, []))
    header = [] if isinstance(first, InputError) else first
    while header and not header[-1]:
        header = header[:-1]
    if missing := [place for place in layout.places if place not in header]:
        msg = (
            f"the first line has no column named {missing[0]!r} but {', '.join(map(repr, header)) or 'nothing'}; "
            "name one with --column"
        )
        raise InputError(msg)
    if twice := [name for name in header if header.count(name) > 1]:
        msg = f"the first line has two columns named {twice[0]!r}; rename one, or give --column a number"
        raise InputError(msg)
    return rows, lambda cells: _parse_cells(cells, header), lambda fields: _by_name(fields, layout)


def _parse_cells(cells: Sequence[str], header: Sequence[str]) -> Fields:
    if any(cells[len(header) :]):
        msg = f"the line has {len(cells)} columns, and the first line names {len(header)}"
        raise InputError(msg)
    return dict(zip(header, cells, strict=False))


def parse_object(line: str) -> Fields:
    """Parse a line that is a JSON object."""
    try:
        document = json.loads(line)
    except (ValueError, RecursionError) as error:
        msg = f"invalid JSON: {error}"
        raise InputError(msg) from error
    if not isinstance(document, dict):
        msg = f"the line is JSON but not an object: a {type(document).__name__}"
        raise InputError(msg)
    return document


def _by_name(fields: Fields, layout: Layout[Any]) -> Sequence[Any]:
    names = layout.places or list(fields)
    if missing := [name for name in names if name not in fields]:
        msg = f"the line has no {missing[0]!r} but {', '.join(map(repr, fields)) or 'nothing'}"
        raise InputError(msg)
    return [fields[name] for name in (*names, *(name for name in layout.optional if name in fields))]


def _by_number(cells: Sequence[str], indices: Sequence[int]) -> Sequence[str]:
    if missing := [index for index in indices if index >= len(cells)]:
        msg = f"the line has no column {missing[0] + 1}: it has {len(cells)}"
        raise InputError(msg)
    return [cells[index] for index in indices or range(len(cells))]
