"""Find the input and cut it into chunks."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from deploy.batch.chunk import Chunk
from deploy.batch.duplicates import DuplicateFinder, check_suspects
from deploy.batch.errors import BatchError
from deploy.batch.layout import FORMATS, Format, Id, Layout
from deploy.batch.rows import InputFile, Reader, open_reader
from deploy.batch.storage import Storage


@dataclass(frozen=True, slots=True)
class Plan:
    """Chunks of the whole input.

    Attributes:
        chunks: the chunks in the input's order.
        rows: their number of rows.
        digest: a hash of the input's content.
    """

    chunks: tuple[Chunk, ...]
    rows: int
    digest: str


def find_inputs(patterns: Sequence[str]) -> tuple[list[InputFile], Format]:
    """Return the files of paths and globs, and their format.

    Raises:
        BatchError: there is no file, or files have no or several formats.
    """
    urls: dict[str, None] = {}
    for pattern in patterns:
        found = Storage(pattern).find(pattern)
        if not found:
            msg = f"there is no file {pattern}"
            raise BatchError(msg)
        urls |= dict.fromkeys(found)
    formats = {url: FORMATS.get(os.path.splitext(url)[1].lower()) for url in urls}  # noqa: PTH122 - a URL is no path
    for url, one in formats.items():
        if one is None:
            msg = f"the format of {url} is unknown; its name must end in {', '.join(FORMATS)}"
            raise BatchError(msg)
    first, *others = urls
    if other := next((url for url in others if formats[url] != formats[first]), None):
        msg = f"{first} and {other} have different formats; run each format alone"
        raise BatchError(msg)
    chosen = formats[first]
    assert chosen is not None  # noqa: S101 - checked above
    return [InputFile(url, name) for url, name in zip(urls, _names(list(urls)), strict=True)], chosen


def make_plan(files: Sequence[InputFile], layout: Layout, rows: int) -> Plan:
    """Cut files into chunks, checking their layout and ids.

    Args:
        files: the files in their order.
        layout: their columns.
        rows: the number of rows of a chunk.

    Raises:
        BatchError: a file does not have the layout, an id occurs twice, or there are no rows.
    """
    reader = open_reader(layout)
    digest = hashlib.sha256()
    finder = DuplicateFinder()
    chunks: list[Chunk] = []
    for file in files:
        digest.update(f"{file.name}\0".encode())
        for part in reader.scan(file, rows, digest):
            chunks.append(replace(part.chunk, number=len(chunks)))
            for place, row_id in part.ids:
                finder.add(place, row_id)
    if not chunks:
        msg = f"the input has no rows: {', '.join(file.name for file in files):.200}"
        raise BatchError(msg)
    if suspects := finder.suspects():
        check_suspects(suspects, _ids(files, reader, rows))
    return Plan(tuple(chunks), sum(chunk.rows for chunk in chunks), digest.hexdigest())


def _ids(files: Sequence[InputFile], reader: Reader, rows: int) -> Iterator[tuple[str, Id]]:
    for file in files:
        for part in reader.scan(file, rows, hashlib.sha256()):
            yield from part.ids


def _names(urls: Sequence[str]) -> list[str]:
    """Return the files' names below their common folder."""
    folders = [url.rpartition("/")[0].split("/") for url in urls]
    common = sum(1 for _ in takewhile(lambda level: len(set(level)) == 1, zip(*folders, strict=False)))
    return ["/".join(url.split("/")[common:]) for url in urls]
