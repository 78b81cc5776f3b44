"""A tensor in a file, before it is read."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor in a file.

    Attributes:
        path: the file.
        stored: its name there, for errors.
        name: its name as PyTorch has it, with a prefix or not.
        dtype: the type of its values, as the file names it.
        shape: as PyTorch has it.
        read: reads the values from the file.
    """

    path: Path
    stored: str
    name: str
    dtype: str
    shape: tuple[int, ...]
    read: Callable[[], NDArray[Any]]
