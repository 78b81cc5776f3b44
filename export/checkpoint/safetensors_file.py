"""List the tensors of safetensors files, whole or sharded."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401 - gives NumPy bfloat16, which safetensors reads into
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from export.checkpoint.config import read_json
from export.checkpoint.stored import StoredTensor
from export.errors import CheckpointError

_READABLE = ("F64", "F32", "F16", "BF16", "I64", "I32", "U8", "BOOL")
"""Integers too: ``position_ids`` are left out later, by name."""


def list_safetensors(path: Path) -> Iterator[StoredTensor]:
    """Yield the tensors of one file.

    Raises:
        CheckpointError: the file is damaged, or holds numbers in 8 bits.
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
    """Yield the tensors of all shards that an index names.

    Raises:
        CheckpointError: the index or a shard is damaged, or a shard is missing.
    """
    for name in shard_names(index):
        shard = index.parent / name
        if not shard.is_file():
            msg = f"{index} names the shard {name}, which is not there; download it again"
            raise CheckpointError(msg)
        yield from list_safetensors(shard)


def shard_names(index: Path) -> list[str]:
    """Return the names of the files that an index lists.

    Raises:
        CheckpointError: the index is damaged.
    """
    mapping = read_json(index).get("weight_map")
    if not isinstance(mapping, dict) or not mapping or not all(isinstance(name, str) for name in mapping.values()):
        msg = f"{index} has no weight_map from tensors to files; download it again"
        raise CheckpointError(msg)
    names = sorted(set(mapping.values()))
    for name in names:
        if Path(name).name != name:
            msg = f"{index} names the shard {name!r}; a shard is in the folder of its index"
            raise CheckpointError(msg)
    return names


def _read(path: Path, name: str) -> NDArray[Any]:
    with safe_open(path, framework="numpy") as file:
        tensor: NDArray[Any] = file.get_tensor(name)
    return tensor
