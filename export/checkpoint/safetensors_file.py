"""List the tensors of single or sharded safetensors files."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401 - registers bfloat16 with NumPy, which safetensors needs
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from export.checkpoint.stored import StoredTensor
from export.errors import CheckpointError
from export.forms import shard_names

_READABLE = ("F64", "F32", "F16", "BF16", "I64", "I32", "U8", "BOOL")
"""Includes integers, since ``position_ids`` are only skipped later, by name."""


def list_safetensors(path: Path) -> Iterator[StoredTensor]:
    """Yield the tensors of one file.

    Raises:
        CheckpointError: the file is damaged, or has tensors in 8 bits.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            for name in file.keys():  # noqa: SIM118 - not a dict
                part = file.get_slice(name)
                dtype = part.get_dtype()
                if dtype not in _READABLE:
                    msg = f"{path}: {name} holds {dtype}; save the model in float32, float16 or bfloat16"
                    raise CheckpointError(msg)
                yield StoredTensor(path, name, name, dtype, tuple(part.get_shape()), partial(_read, path, name))
    except SafetensorError as error:
        msg = f"{path} is damaged or not a safetensors file: {error}; download it again"
        raise CheckpointError(msg) from error


def list_shards(index: Path) -> Iterator[StoredTensor]:
    """Yield the tensors of all shards in an index.

    Raises:
        CheckpointError: the index or a shard is damaged, or a shard is missing.
    """
    for name in shard_names(index):
        shard = index.parent / name
        if not shard.is_file():
            msg = f"{index} names the shard {name}, which is missing; download it again"
            raise CheckpointError(msg)
        yield from list_safetensors(shard)


def _read(path: Path, name: str) -> NDArray[Any]:
    with safe_open(path, framework="numpy") as file:
        tensor: NDArray[Any] = file.get_tensor(name)
    return tensor
