"""Read questions from plain, JSON or tab-separated lines."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from bert_mlm_client.errors import InputError

Item = TypeVar("Item")
Format = Literal["plain", "jsonl", "tsv"]
Fields = Mapping[str, Any]

_FORMATS: Mapping[str, Format] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".tsv": "tsv"}
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Layout(Generic[Item]):
    """Position of the question in a line.

    Attributes:
        format: ``plain``: the line is a text. ``jsonl``: an object. ``tsv``: tab-separated columns without quotes.
        places: the object's fields; or the columns, by number from 1, or by their names in the first line; empty for
            all columns.
        build: builds the question from their values, or raises InputError.
        guessed: whether the format is the default, in which case a JSON object is rejected.
    """

    format: Format
    places: Sequence[str]
    build: Callable[..., Item]
    guessed: bool = False


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


def format_of(name: str) -> Format | None:
    """Return the format of a file extension, if known."""
    return _FORMATS.get(Path(name).suffix.lower())


def read(raw_lines: Iterable[bytes], layout: Layout[Item]) -> Iterator[Line[Item]]:
    r"""Yield the lines that are not blank.

    A line that cannot be read has an error in place of its question.

    Args:
        raw_lines: a binary file. Only ``\n`` and ``\r\n`` end a line: a text may contain U+2028.
        layout: the position of the questions.

    Raises:
        InputError: columns are selected by name, and the first line lacks one of the names or has it twice; or the
            format is guessed, and the first line is a JSON object.
    """
    lines = _decoded(raw_lines)
    if layout.guessed:
        lines = _reject_objects(lines, layout.format)
    parse, pick = _reader(layout, lines)
    for number, line in lines:
        fields: Fields = {}
        question: Item | InputError
        try:
            if isinstance(line, InputError):
                raise line
            fields = parse(line)
            question = layout.build(*pick(fields))
        except InputError as error:
            question = error
        yield Line(number, question, fields)


def _decoded(raw_lines: Iterable[bytes]) -> Iterator[tuple[int, str | InputError]]:
    for number, raw in enumerate(raw_lines, 1):
        try:
            line = raw.removeprefix(_BOM if number == 1 else b"").removesuffix(b"\n").removesuffix(b"\r").decode()
        except UnicodeDecodeError as error:
            yield number, InputError(f"invalid UTF-8 at byte {error.start + 1}; convert the file")
        else:
            if line and not line.isspace():
                yield number, line


def _reject_objects(
    lines: Iterator[tuple[int, str | InputError]], form: Format
) -> Iterator[tuple[int, str | InputError]]:
    for number, line in lines:
        if isinstance(line, str) and _is_object(line):
            msg = f"line {number} is a JSON object; give --format jsonl, or --format {form} if it is the text itself"
            raise InputError(msg)
        yield number, line
        break
    yield from lines


def _is_object(line: str) -> bool:
    try:
        return bool(_parse_object(line))
    except InputError:
        return False


def _reader(
    layout: Layout[Any], lines: Iterator[tuple[int, str | InputError]]
) -> tuple[Callable[[str], Fields], Callable[[Fields], Sequence[Any]]]:
    """Return functions that parse a line and pick its values."""
    if layout.format == "plain":
        return lambda line: {"text": line}, lambda fields: [fields["text"]]
    if layout.format == "jsonl":
        return _parse_object, lambda fields: _by_name(fields, layout.places)
    if all(place.isdecimal() for place in layout.places):
        indices = [int(place) - 1 for place in layout.places]
        return lambda line: {"columns": line.split("\t")}, lambda fields: _by_number(fields["columns"], indices)
    _, first = next(lines, (0, ""))
    header = [] if isinstance(first, InputError) else first.rstrip("\t").split("\t")
    if missing := [place for place in layout.places if place not in header]:
        msg = f"the first line has no column named {missing[0]!r} but {', '.join(map(repr, header))}"
        raise InputError(msg)
    if twice := [name for name in header if header.count(name) > 1]:
        msg = f"the first line has two columns named {twice[0]!r}; rename one, or give --column a number"
        raise InputError(msg)
    return lambda line: _parse_cells(line, header), lambda fields: _by_name(fields, layout.places)


def _parse_cells(line: str, header: Sequence[str]) -> Fields:
    cells = line.split("\t")
    if any(cells[len(header) :]):
        msg = f"the line has {len(cells)} columns, and the first line names {len(header)}"
        raise InputError(msg)
    return dict(zip(header, cells, strict=False))


def _parse_object(line: str) -> Fields:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError) as error:
        msg = f"invalid JSON: {error}"
        raise InputError(msg) from error
    if not isinstance(document, dict):
        msg = f"the line is JSON but not an object: a {type(document).__name__}"
        raise InputError(msg)
    return document


def _by_name(fields: Fields, names: Sequence[str]) -> Sequence[Any]:
    if missing := [name for name in names if name not in fields]:
        msg = f"the line has no {missing[0]!r} but {', '.join(map(repr, fields)) or 'nothing'}"
        raise InputError(msg)
    return [fields[name] for name in names]


def _by_number(cells: Sequence[str], indices: Sequence[int]) -> Sequence[str]:
    if missing := [index for index in indices if index >= len(cells)]:
        msg = f"the line has no column {missing[0] + 1}: it has {len(cells)}"
        raise InputError(msg)
    return [cells[index] for index in indices or range(len(cells))]
