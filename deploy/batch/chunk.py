"""Describe a part of an input file."""

import json
from dataclasses import asdict, dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows that one call of a worker answers.

    Attributes:
        number: its number in the input, from 0; also the number of its output file.
        url: its file.
        name: the file's name in ids and messages.
        start: its first byte, or the first row in a Parquet file.
        end: the byte or row after it.
        line: the number of its first line or row, from 1.
        rows: its number of rows.
        header: the columns of a CSV file.
    """

    number: int
    url: str
    name: str
    start: int
    end: int
    line: int
    rows: int
    header: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Serialize the chunk."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Parse a serialized chunk."""
        fields = json.loads(text)
        return cls(**fields | {"header": tuple(fields["header"])})
