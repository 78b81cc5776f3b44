"""Read and write messages of the reference process.

A message is safetensors with a JSON body in the metadata, prefixed by its length. No side unpickles anything.
"""

import json
from collections.abc import Mapping
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

Arrays = Mapping[str, NDArray[Any]]

_SIZE = 8
_BODY = "body"


def write_message(stream: IO[bytes], body: Mapping[str, Any], arrays: Arrays | None = None) -> None:
    """Write one message and flush it.

    Args:
        stream: the output stream.
        body: a JSON object.
        arrays: the arrays of the message.
    """
    contiguous = {name: np.ascontiguousarray(array) for name, array in (arrays or {}).items()}
    content = save(contiguous, metadata={_BODY: json.dumps(body)})
    stream.write(len(content).to_bytes(_SIZE, "little"))
    stream.write(content)
    stream.flush()


def read_message(stream: IO[bytes]) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read one message and return its body and arrays.

    Raises:
        EOFError: the other side has closed the stream.
    """
    content = _read(stream, int.from_bytes(_read(stream, _SIZE), "little"))
    header = json.loads(content[_SIZE : _SIZE + int.from_bytes(content[:_SIZE], "little")])
    return json.loads(header["__metadata__"][_BODY]), load(content)


def _read(stream: IO[bytes], size: int) -> bytes:
    content = stream.read(size)
    if len(content) < size:
        raise EOFError
    return content
