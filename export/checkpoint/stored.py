"""Describe a stored tensor before reading it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor in a file, read on demand.

    Attributes:
        path: the file.
        stored: its name in the file, for error messages.
        name: its name in PyTorch, with or without a prefix.
        dtype: the type of its values, as the file names it.
        shape: its shape in PyTorch.
        read: reads the values from the file.
    """

    path: Path
    stored: str
    name: str
    dtype: str
    shape: tuple[int, ...]
    read: Callable[[], NDArray[Any]]
