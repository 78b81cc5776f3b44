"""Read rows from text and Parquet files."""

from deploy.batch.layout import Layout
from deploy.batch.rows.base import InputFile, Part, Reader
from deploy.batch.rows.text import TextReader

__all__ = ["InputFile", "Part", "Reader", "open_reader"]


def open_reader(layout: Layout) -> Reader:
    """Return the reader of a format."""
    if layout.format == "parquet":
        from deploy.batch.rows.parquet import ParquetReader

        return ParquetReader(layout)
    return TextReader(layout)
