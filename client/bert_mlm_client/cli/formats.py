"""Choose the format of lines by a file's extension."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

Format = Literal["plain", "jsonl", "tsv", "csv"]

_FORMATS: Mapping[str, Format] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".tsv": "tsv", ".csv": "csv"}


def format_of(name: str) -> Format | None:
    """Return the format of a file extension, if known."""
    return _FORMATS.get(Path(name).suffix.lower())
