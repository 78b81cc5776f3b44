"""Name tensor types as TensorFlow does, and check inputs."""

from collections.abc import Iterable, Mapping
from functools import lru_cache

import numpy as np
from bert_mlm_client.wire import messages

from deploy.embedded.engines import Array, Engine
from deploy.embedded.errors import invalid

_DATA_TYPES = {number: name.removeprefix("DT_").lower() for name, number in messages.DataType.items() if number}
# TensorFlow's type names, where numpy's differ.
_NAMES = {"float32": "float", "float64": "double", "float16": "half", "object": "string"}


def check_types(engine: Engine, signatures: Iterable[str], inputs: Mapping[str, Array]) -> None:
    """Check the types of the inputs as sessions do.

    The rules are those of tensorflow/core/framework/function.cc.

    Raises:
        ServingError: INVALID_ARGUMENT, a type is wrong. A session numbers its arguments in the order of tensor names.
    """
    fed = {engine.signatures[name].inputs[alias].name: array for name in signatures for alias, array in inputs.items()}
    for number, tensor in enumerate(sorted(fed)):
        expected = _DATA_TYPES.get(engine.input_types[tensor])  # None: only the graph can check the type
        given = _name(fed[tensor].dtype)
        if expected not in {None, given}:
            msg = f"Expects arg[{number}] to be {expected} but {given} is provided"
            raise invalid(msg)


def type_name(array: Array) -> str:
    """Return TensorFlow's name of an array's type, such as ``DT_FLOAT``."""
    return "DT_" + _name(array.dtype).upper()


@lru_cache
def _name(dtype: np.dtype[np.generic]) -> str:
    return _NAMES.get(dtype.name, dtype.name)
