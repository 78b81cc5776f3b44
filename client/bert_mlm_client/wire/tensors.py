"""Convert between numpy arrays and ``TensorProto``.

A TensorProto carries its values either as raw little-endian bytes in ``tensor_content`` or as a packed list in one of
the ``*_val`` fields (tensorflow/core/framework/tensor.proto). Both are decoded; the caller chooses which one is
encoded.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bert_mlm_client.wire.serving_pb2 import DataType, TensorProto

Array = NDArray[np.generic]

MAX_REPEATED = 2**24
"""Maximum number of elements that may repeat a tensor's last listed value."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """Enum value, field and field type of a numpy type."""

    data_type: DataType
    field: str
    stored: np.dtype[np.generic]


def _kind(data_type: DataType, field: str, stored: str) -> _Kind:
    return _Kind(data_type, field, np.dtype(stored))


_KINDS: dict[np.dtype[Any], _Kind] = {
    np.dtype(np.float32): _kind(DataType.DT_FLOAT, "float_val", "<f4"),
    np.dtype(np.float64): _kind(DataType.DT_DOUBLE, "double_val", "<f8"),
    np.dtype(np.int8): _kind(DataType.DT_INT8, "int_val", "<i4"),
    np.dtype(np.int16): _kind(DataType.DT_INT16, "int_val", "<i4"),
    np.dtype(np.int32): _kind(DataType.DT_INT32, "int_val", "<i4"),
    np.dtype(np.int64): _kind(DataType.DT_INT64, "int64_val", "<i8"),
    np.dtype(np.uint8): _kind(DataType.DT_UINT8, "int_val", "<i4"),
    np.dtype(np.uint16): _kind(DataType.DT_UINT16, "int_val", "<i4"),
    np.dtype(np.uint32): _kind(DataType.DT_UINT32, "uint32_val", "<u4"),
    np.dtype(np.uint64): _kind(DataType.DT_UINT64, "uint64_val", "<u8"),
    np.dtype(np.bool_): _kind(DataType.DT_BOOL, "bool_val", "?"),
    np.dtype(np.float16): _kind(DataType.DT_HALF, "half_val", "<i4"),
    np.dtype(np.complex64): _kind(DataType.DT_COMPLEX64, "scomplex_val", "<f4"),
    np.dtype(np.complex128): _kind(DataType.DT_COMPLEX128, "dcomplex_val", "<f8"),
    np.dtype(np.object_): _kind(DataType.DT_STRING, "string_val", "O"),
}
# numpy has this type only if ml_dtypes is imported, for example by TensorFlow.
_BFLOAT16 = _kind(DataType.DT_BFLOAT16, "half_val", "<i4")
# Types whose list does not hold the values themselves: the bits of 16-bit floats, the parts of complex numbers.
_LISTED_AS: dict[DataType, np.dtype[Any]] = {
    DataType.DT_HALF: np.dtype(np.uint16),
    DataType.DT_BFLOAT16: np.dtype(np.uint16),
    DataType.DT_COMPLEX64: np.dtype(np.float32),
    DataType.DT_COMPLEX128: np.dtype(np.float64),
}
_DTYPES: dict[DataType, np.dtype[Any]] = {kind.data_type: dtype for dtype, kind in _KINDS.items()}

# A packed list of fixed-width numbers is a tag, a length and the raw memory; appending values one by one is far slower.
_FIXED_WIDTH_TAGS = {DataType.DT_FLOAT: 5 << 3 | 2, DataType.DT_DOUBLE: 6 << 3 | 2}


def encode_tensor(array: Array, *, as_content: bool = True, into: TensorProto | None = None) -> TensorProto:
    """Convert an array to a TensorProto.

    Args:
        array: numbers, booleans, or an object array of ``bytes`` (strings are encoded as bytes).
        as_content: write ``tensor_content`` (a copy of the memory) rather than the ``*_val`` list that TensorFlow
            Serving answers with by default. Strings always travel as a list.
        into: an empty message to fill, for example inside an answer; copying a large one costs several times its
            encoding.

    Raises:
        TypeError: the array's type has no counterpart in TensorFlow.
    """
    kind = _BFLOAT16 if array.dtype.name == "bfloat16" else _KINDS.get(array.dtype)
    if kind is None:
        known = ", ".join(map(str, _KINDS))
        msg = f"numpy type {array.dtype} cannot be encoded in a TensorProto; convert it to one of {known}"
        raise TypeError(msg)
    proto = TensorProto() if into is None else into
    proto.dtype = kind.data_type
    proto.tensor_shape.SetInParent()  # a scalar also has a shape, without dimensions
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    if kind.data_type == DataType.DT_STRING:
        proto.string_val.extend(array.ravel().tolist())
    elif as_content:
        proto.tensor_content = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    elif kind.data_type in _FIXED_WIDTH_TAGS:
        raw = array.astype(kind.stored, copy=False).tobytes()
        proto.MergeFromString(bytes([_FIXED_WIDTH_TAGS[kind.data_type]]) + _varint(len(raw)) + raw)
    else:
        values = array.ravel()
        if kind.data_type in _LISTED_AS:
            values = values.view(_LISTED_AS[kind.data_type])
        getattr(proto, kind.field).extend(values.astype(kind.stored, copy=False).tolist())
    return proto


def decode_tensor(proto: TensorProto) -> Array:
    """Convert a TensorProto to an array.

    Strings become an object array of ``bytes``. As in TensorFlow, a list longer than the shape is truncated and a
    shorter one repeats its last value; the repetition has a limit, since a few bytes could otherwise allocate any
    amount of memory.

    Raises:
        ValueError: the values do not fit the shape, or the type is not supported.
    """
    dtype = _bfloat16() if proto.dtype == DataType.DT_BFLOAT16 else _DTYPES.get(proto.dtype)
    if dtype is None:
        name = DataType.Name(proto.dtype) if proto.dtype in DataType.values() else str(proto.dtype)
        msg = f"tensors of type {name} are not supported"
        raise ValueError(msg)
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    size = math.prod(shape)
    if any(side < 0 for side in shape):
        msg = f"the shape {list(shape)} has a negative side"
        raise ValueError(msg)
    if proto.tensor_content and size:
        if dtype.hasobject:
            return _decode_strings(proto.tensor_content, size).reshape(shape)
        if len(proto.tensor_content) != size * dtype.itemsize:
            msg = f"{len(proto.tensor_content)} bytes of content do not fill the shape {list(shape)} of {dtype}"
            raise ValueError(msg)
        return np.frombuffer(proto.tensor_content, dtype.newbyteorder("<")).reshape(shape).astype(dtype, copy=False)
    return _decode_list(proto, dtype, size).reshape(shape)


def _bfloat16() -> np.dtype[np.generic] | None:
    try:
        return np.dtype("bfloat16")
    except TypeError:
        return None


def _varint(number: int) -> bytes:
    """Encode a protobuf varint.

    Seven bits a byte, lowest first.
    """
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*groups, number])


def _decode_strings(content: bytes, size: int) -> Array:
    """Decode strings from ``tensor_content``.

    All lengths come first, then all strings (DecodeStringList in TensorFlow).

    Raises:
        ValueError: the lengths do not add up to the rest of the content.
    """
    lengths: list[int] = []
    position = number = shift = 0
    while len(lengths) < size:
        if position == len(content) or shift > 28:  # a length has 32 bits
            msg = f"the content has no lengths for {size} strings"
            raise ValueError(msg)
        byte = content[position]
        position += 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            lengths.append(number & 0xFFFF_FFFF)
            number = shift = 0
    if sum(lengths) != len(content) - position:
        msg = f"{len(content) - position} bytes of content do not hold {size} strings of {sum(lengths)} bytes"
        raise ValueError(msg)
    strings = np.empty(size, np.object_)
    for index, length in enumerate(lengths):
        strings[index] = content[position : position + length]
        position += length
    return strings


def _decode_list(proto: TensorProto, dtype: np.dtype[np.generic], size: int) -> Array:
    kind = _BFLOAT16 if proto.dtype == DataType.DT_BFLOAT16 else _KINDS[dtype]
    listed = getattr(proto, kind.field)
    values: Array = np.empty(len(listed), kind.stored)
    values[:] = listed
    if kind.data_type in _LISTED_AS:
        values = values.astype(_LISTED_AS[kind.data_type], copy=False)
        parts = dtype.itemsize // values.itemsize
        values = values[: len(values) // parts * parts].view(dtype)
    values = values.astype(dtype, copy=False)
    if len(values) >= size:
        return values[:size]
    if size - len(values) > MAX_REPEATED:
        msg = f"{len(values)} values in {kind.field} cannot stand for {size} elements; send all of them"
        raise ValueError(msg)
    filled = np.full(size, b"" if dtype.hasobject else 0, dtype)
    filled[: len(values)] = values
    if len(values):
        filled[len(values) :] = values[-1]
    return filled
