"""The types of tensors, by TensorFlow's names, and the check that a session makes before it runs."""

from collections.abc import Iterable, Mapping
from functools import lru_cache

import numpy as np
from bert_mlm_client.wire import messages

from deploy.embedded.engines import Array, Engine
from deploy.embedded.errors import invalid

_DATA_TYPES = {number: name.removeprefix("DT_").lower() for name, number in messages.DataType.items() if number}
# TensorFlow's names of types, where numpy has others.
_NAMES = {"float32": "float", "float64": "double", "float16": "half", "object": "string"}


def check_types(engine: Engine, signatures: Iterable[str], inputs: Mapping[str, Array]) -> None:
    """Check that arrays have the types of the tensors that they are fed to (tensorflow/core/framework/function.cc).

    Raises:
        ServingError: INVALID_ARGUMENT, one has another type; a session counts its arguments by the tensors' names.
    """
    fed = {engine.signatures[name].inputs[alias].name: array for name in signatures for alias, array in inputs.items()}
    for number, tensor in enumerate(sorted(fed)):
        expected = _DATA_TYPES.get(engine.input_types[tensor])  # None is a type that only the graph can judge
        given = _name(fed[tensor].dtype)
        if expected not in {None, given}:
            msg = f"Expects arg[{number}] to be {expected} but {given} is provided"
            raise invalid(msg)


def type_name(array: Array) -> str:
    """Return the name of an array's type in TensorFlow's enumeration, such as ``DT_FLOAT``."""
    return "DT_" + _name(array.dtype).upper()


@lru_cache
def _name(dtype: np.dtype[np.generic]) -> str:
    return _NAMES.get(dtype.name, dtype.name)
