"""Read plain, JSON and CSV lines."""

from collections.abc import Iterator, Sequence
from typing import IO, Any

from bert_mlm_client.commands import parse_object, records
from bert_mlm_client.errors import InputError

from deploy.batch.chunk import Chunk
from deploy.batch.errors import BatchError
from deploy.batch.layout import Id, Layout, Row, build_row
from deploy.batch.rows.base import InputFile, Part
from deploy.batch.rows.encoding import SAMPLE_BYTES, check_encoding, decode
from deploy.batch.storage import Storage

MAX_LINE_BYTES = 16 << 20

Lines = Iterator[tuple[int, bytes]]
r"""Numbered raw lines. Only ``\n`` and ``\r\n`` end a line: a text may contain U+2028."""


class TextReader:
    """Read lines of a layout.

    Blank lines are not rows, but they count in the numbers of lines.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def scan(self, file: InputFile, rows: int, digest: Any) -> Iterator[Part]:
        """Cut a file at the starts of rows (see `Reader.scan`)."""
        storage = Storage(file.url)
        with storage.open(file.url) as opened:
            sample = opened.read(SAMPLE_BYTES)
            check_encoding(sample, self._layout.encoding, file.name)
            opened.seek(0)
            yield from self._cut(file, opened, rows, digest)

    def read(self, chunk: Chunk) -> list[Row]:
        """Return the rows of a chunk (see `Reader.read`)."""
        with Storage(chunk.url).open(chunk.url) as file:
            file.seek(chunk.start)
            content = file.read(chunk.end - chunk.start)
        lines = enumerate(content.split(b"\n"), chunk.line)
        return [row for _, row in self._rows(lines, chunk.name, chunk.header)]

    def _cut(self, file: InputFile, opened: IO[bytes], rows: int, digest: Any) -> Iterator[Part]:
        offsets: dict[int, int] = {}
        lines = _numbered(opened, file.name, offsets, digest)
        header = self._header(lines, file.name) if self._layout.format == "csv" else ()
        begun: tuple[int, int] | None = None  # the number and offset of a chunk's first line
        count = 0
        ids: list[tuple[str, Id]] = []
        for number, row in self._scanned_rows(lines, file.name, header):
            if begun is None or count == rows:
                offset = offsets[number]
                if begun is not None:
                    yield Part(Chunk(0, file.url, file.name, begun[1], offset, begun[0], count, header), ids)
                begun, count, ids = (number, offset), 0, []
                for earlier in [one for one in offsets if one < number]:
                    del offsets[earlier]
            count += 1
            if row is not None and row.id is not None and self._layout.id_column is not None:
                ids.append((row.place, row.id))
        if begun is not None:
            yield Part(Chunk(0, file.url, file.name, begun[1], opened.tell(), begun[0], count, header), ids)

    def _scanned_rows(self, lines: Lines, name: str, header: Sequence[str]) -> Iterator[tuple[int, Row | None]]:
        """Yield each row's first line, parsed only where necessary."""
        if self._layout.format == "csv":
            yield from self._rows(lines, name, header)
            return
        is_first = self._layout.format == "jsonl"
        for number, raw in lines:
            if raw.isspace():
                continue
            if is_first:
                self._check_first_document(raw, number, name)
                is_first = False
            is_parsed = self._layout.id_column is not None
            yield number, self._row(raw, number, name) if is_parsed else None

    def _rows(self, lines: Lines, name: str, header: Sequence[str]) -> Iterator[tuple[int, Row]]:
        if self._layout.format == "csv":
            decoded = ((number, decode(raw, number, self._layout.encoding)) for number, raw in lines)
            for number, cells in records(decoded):
                yield number, self._record(cells, f"{name}:{number}", header)
        else:
            for number, raw in lines:
                if raw and not raw.isspace():
                    yield number, self._row(raw, number, name)

    def _row(self, raw: bytes, number: int, name: str) -> Row:
        place = f"{name}:{number}"
        line = decode(raw, number, self._layout.encoding)
        if isinstance(line, InputError):
            return self._damaged(place, line)
        if self._layout.format == "txt":
            return Row(place, place, (line,))
        try:
            return build_row(place, parse_object(line), self._layout)
        except InputError as error:
            return self._damaged(place, error)

    def _record(self, cells: list[str] | InputError, place: str, header: Sequence[str]) -> Row:
        if isinstance(cells, InputError):
            return self._damaged(place, cells)
        if any(cells[len(header) :]):
            msg = f"the row has {len(cells)} columns, and the first line names {len(header)}"
            return self._damaged(place, InputError(msg))
        return build_row(place, dict(zip(header, cells, strict=False)), self._layout)

    def _damaged(self, place: str, error: InputError) -> Row:
        return Row(place, place if self._layout.id_column is None else None, error=error)

    def _header(self, lines: Lines, name: str) -> tuple[str, ...]:
        decoded = ((number, decode(raw, number, self._layout.encoding)) for number, raw in lines)
        _, header = next(records(decoded), (0, []))
        if isinstance(header, InputError):
            msg = f"{name} has no header: {header}"
            raise BatchError(msg)
        while header and not header[-1]:
            header = header[:-1]
        self._layout.check_columns(header, name)
        return tuple(header)

    def _check_first_document(self, raw: bytes, number: int, name: str) -> None:
        """Reject files without the columns, and JSON arrays.

        Later rows without a column have an error each.
        """
        line = decode(raw, number, self._layout.encoding)
        if isinstance(line, InputError):
            return
        if line.lstrip().startswith("["):
            msg = f"{name} is a JSON array; write one object a line, for example with jq -c '.[]'"
            raise BatchError(msg)
        try:
            found = list(parse_object(line))
        except InputError:
            return
        self._layout.check_columns(found, f"the first row of {name}")


def _numbered(file: IO[bytes], name: str, offsets: dict[int, int], digest: Any) -> Lines:
    """Yield the lines and record where they start."""
    offset = 0
    for number, raw in enumerate(iter(lambda: file.readline(MAX_LINE_BYTES + 1), b""), 1):
        if len(raw) > MAX_LINE_BYTES:
            msg = f"line {number} of {name} is longer than {MAX_LINE_BYTES >> 20} MiB; split it"
            raise BatchError(msg)
        digest.update(raw)
        offsets[number] = offset
        offset += len(raw)
        yield number, raw
