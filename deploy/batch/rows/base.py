"""Define the interface of the readers."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from deploy.batch.chunk import Chunk
from deploy.batch.layout import Id, Row


@dataclass(frozen=True, slots=True)
class InputFile:
    """File of the input.

    Attributes:
        url: its path or URL.
        name: its name in ids and messages.
    """

    url: str
    name: str


@dataclass(frozen=True, slots=True)
class Part:
    """Chunk with the ids of its rows.

    Attributes:
        chunk: the chunk, whose number is not known yet.
        ids: the valid ids by place; empty without a column of ids.
    """

    chunk: Chunk
    ids: list[tuple[str, Id]] = field(default_factory=list)


class Reader(Protocol):
    """Read the rows of one format."""

    def scan(self, file: InputFile, rows: int, digest: Any) -> Iterator[Part]:
        """Cut a file into chunks.

        Args:
            file: the file.
            rows: the number of rows of a chunk.
            digest: a hash that is updated with the file's content.

        Raises:
            BatchError: the file does not have the layout.
        """

    def read(self, chunk: Chunk) -> list[Row]:
        """Return the rows of a chunk."""
