"""Convert a JSON scalar or nested lists to an array.

The rules are those of TensorFlow Serving: integers are JSON integers within range, booleans are true or false, floats
are any number, strings are JSON strings or ``{"b64": "..."}``, and all lists of a level have the same length.
"""

import base64
import binascii
from dataclasses import dataclass
from typing import Any

import numpy as np
from bert_mlm_client.wire import decode_tensor, messages

from deploy.embedded.engines import Array
from deploy.embedded.errors import Code, ServingError, invalid
from deploy.embedded.json_codec.describe import describe
from deploy.embedded.json_codec.parse import UNDECODABLE, RepeatedNames

_MAX_RANK = 64  # numpy's limit
_JSON_TYPES = {
    bool: "True",
    float: "Number",
    int: "Number",
    str: "String",
    list: "Array",
    type(None): "Null",
}


@dataclass(frozen=True, slots=True)
class _Kind:
    """The JSON and numpy types for a TensorFlow type.

    Values are range-checked in the ``checked`` type and converted to the ``final`` type.
    """

    name: str
    accepted: frozenset[type]
    checked: np.dtype[np.generic]
    final: np.dtype[np.generic]

    def type_error(self, value: Any) -> ServingError:
        """Create the error for a mistyped or out-of-range value."""
        if not self.accepted and not isinstance(value, dict):
            msg = f"Conversion of JSON Value: {describe(value)} to type: {self.name}"
            return ServingError(Code.UNIMPLEMENTED, msg)
        return invalid(f"JSON Value: {describe(value)} Type: {type_name(value)} is not of expected type: {self.name}")


def _kind(name: str, accepted: type | tuple[type, ...], final: type, checked: type | None = None) -> _Kind:
    types = accepted if isinstance(accepted, tuple) else (accepted,)
    return _Kind(name, frozenset(types), np.dtype(checked or final), np.dtype(final))


_NUMBER = (float, int)
_KINDS = {
    messages.DT_FLOAT: _kind("float", _NUMBER, np.float32),
    messages.DT_DOUBLE: _kind("double", _NUMBER, np.float64),
    messages.DT_INT8: _kind("int8", int, np.int8, np.int32),
    messages.DT_INT16: _kind("int16", int, np.int16, np.int32),
    messages.DT_INT32: _kind("int32", int, np.int32),
    messages.DT_INT64: _kind("int64", int, np.int64),
    messages.DT_UINT8: _kind("uint8", int, np.uint8, np.int32),
    messages.DT_UINT32: _kind("uint32", int, np.uint32),
    messages.DT_UINT64: _kind("uint64", int, np.uint64),
    messages.DT_BOOL: _kind("bool", bool, np.bool_),
    messages.DT_STRING: _kind("string", str, np.object_),
}


def to_array(value: Any, data_type: messages.DataType) -> Array:
    """Convert a JSON value to an array.

    Raises:
        ServingError: INVALID_ARGUMENT, an element has the wrong type or the lists are ragged; UNIMPLEMENTED, JSON
            cannot represent this TensorFlow type.
    """
    kind = _KINDS.get(data_type) or _unsupported(data_type)
    shape = _dense_shape(value)
    if len(shape) > _MAX_RANK:
        msg = f"A tensor of {len(shape)} dimensions is not supported; at most {_MAX_RANK} are."
        raise invalid(msg)
    elements: list[Any] = []
    _collect(value, 0, shape, kind, elements)
    if kind.final.hasobject:
        array = np.empty(len(elements), kind.final)
        array[:] = [to_bytes(element) for element in elements]
        return array.reshape(shape)
    try:
        with np.errstate(over="ignore"):  # a number too large for a float is infinite
            return np.array(elements, kind.checked).astype(kind.final, copy=False).reshape(shape)
    except OverflowError as error:
        raise _out_of_range(elements, kind) from error


def type_name(value: Any) -> str:
    """Return the type name of a JSON value for errors."""
    if isinstance(value, dict):
        return "Object"
    return "False" if value is False else _JSON_TYPES[type(value)]


def to_bytes(value: Any) -> bytes:
    """Return the bytes of a JSON string or ``{"b64": "..."}``.

    Raises:
        ServingError: INVALID_ARGUMENT, the value is neither, or is not valid base64.
    """
    if isinstance(value, str):
        return value.encode("utf-8", UNDECODABLE)
    if not is_base64(value):
        msg = f"JSON Value: {describe(value)} not formatted correctly for base64 data"
        raise invalid(msg)
    packed = "".join(value["b64"].split()).replace(".", "=")  # both are padding characters; padding is optional
    try:
        return base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        msg = "Unable to base64 decode"
        raise invalid(msg) from error


def is_base64(value: Any) -> bool:
    """Return whether a value is a ``{"b64": "..."}`` object."""
    is_plain = isinstance(value, dict) and not isinstance(value, RepeatedNames)
    return is_plain and value.keys() == {"b64"} and isinstance(value["b64"], str)


def _unsupported(data_type: messages.DataType) -> _Kind:
    """Return the rules of a type without JSON values.

    It accepts only empty lists.
    """
    try:
        dtype = decode_tensor(messages.TensorProto(dtype=data_type, tensor_shape={"dim": [{"size": 0}]})).dtype
    except ValueError as error:  # quantized numbers, resources and variants
        raise ServingError(Code.UNIMPLEMENTED, f"Conversion of JSON to {error}") from error
    name = messages.DataType.Name(data_type).removeprefix("DT_").lower()
    return _Kind(name, frozenset(), dtype, dtype)


def _dense_shape(value: Any) -> tuple[int, ...]:
    """Return the shape from each level's first element."""
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        if not value:
            break
        value = value[0]
    return tuple(shape)


def _collect(value: Any, level: int, shape: tuple[int, ...], kind: _Kind, elements: list[Any]) -> None:
    """Append the elements in order and check them.

    Depth, number and type are checked.
    """
    if not isinstance(value, list):
        if level != len(shape):
            msg = (
                f"JSON Value: {describe(value)} found at incorrect level: {level + 1} in the JSON DOM. "
                f"Expected at level: {len(shape)}"
            )
            raise invalid(msg)
        may_be_base64 = isinstance(value, dict) and kind.final.hasobject
        if not may_be_base64 and type(value) not in kind.accepted:
            raise kind.type_error(value)
        elements.append(value)
        return
    if level >= len(shape):
        msg = f"Encountered list at unexpected level: {level} expected < {len(shape)}"
        raise invalid(msg)
    if len(value) != shape[level]:
        msg = f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: {shape[level]}"
        raise invalid(msg)
    if level == len(shape) - 1 and kind.accepted.issuperset(map(type, value)):
        elements.extend(value)
        return
    for element in value:
        _collect(element, level + 1, shape, kind, elements)


def _out_of_range(elements: list[Any], kind: _Kind) -> ServingError:
    """Create the error of the first number out of range."""
    for element in elements:
        try:
            np.array(element, kind.checked)
        except OverflowError:
            return kind.type_error(element)
    return invalid(f"A number is out of range for type: {kind.name}")
