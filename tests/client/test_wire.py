"""Messages and tensors equal those of TensorFlow Serving and TensorFlow."""

import json
import subprocess
import sys
import warnings
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from bert_mlm_client.wire import decode_tensor, encode_tensor, messages
from bert_mlm_client.wire.tensors import Array, _varint
from hypothesis import given, settings
from hypothesis import strategies as st

INT32, ENUM = 5, 14  # google.protobuf.descriptor.FieldDescriptor's numbers

# The official modules import TensorFlow, which takes seconds and memory, so a subprocess describes them.
DESCRIBE = """
import json
from tensorflow.core.framework import tensor_pb2, tensor_shape_pb2, types_pb2
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2, get_model_status_pb2, model_pb2, predict_pb2, prediction_log_pb2, status_pb2
)

described = {}
def describe(message):
    name = message.full_name.removeprefix("tensorflow.").removeprefix("serving.")
    described[name] = {
        field.name: [field.number, field.type, field.is_repeated]
        for field in message.fields
    }
    for nested in message.nested_types:
        describe(nested)

for module in (
    tensor_pb2, tensor_shape_pb2, meta_graph_pb2, get_model_metadata_pb2, get_model_status_pb2, model_pb2,
    predict_pb2, prediction_log_pb2, status_pb2
):
    for message in module.DESCRIPTOR.message_types_by_name.values():
        describe(message)
enums = {
    "DataType": dict(types_pb2.DataType.items()),
    "State": dict(get_model_status_pb2.ModelVersionStatus.State.items()),
}
print(json.dumps({"messages": described, "enums": enums}))
"""


@pytest.fixture(scope="module")
def official() -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-c", DESCRIBE], capture_output=True, text=True, check=True)
    described: dict[str, Any] = json.loads(done.stdout)
    return described


def ours() -> list[Any]:
    """Every own message, nested ones included."""
    found = list(messages.DESCRIPTOR.message_types_by_name.values())
    for message in found:
        found.extend(message.nested_types)
    return found


def official_name(message: Any) -> str:
    name: str = message.full_name
    return name.removeprefix("bert_mlm_client.wire.")


@pytest.mark.parametrize("message", ours(), ids=official_name)
def test_every_field_has_the_official_number_type_and_label(official: dict[str, Any], message: Any) -> None:
    for field in message.fields:
        number, kind, repeated = official["messages"][official_name(message)][field.name]
        same_bytes = {kind, INT32 if kind == ENUM else kind}  # an enum is encoded as an int32
        assert (field.number, field.is_repeated) == (number, repeated), field.full_name
        assert field.type in same_bytes, field.full_name


def test_every_enum_value_has_the_official_number(official: dict[str, Any]) -> None:
    assert dict(messages.DataType.items()).items() <= official["enums"]["DataType"].items()
    assert dict(messages.ModelVersionStatus.State.items()) == official["enums"]["State"]


@pytest.fixture(scope="module")
def tensorflow() -> Any:
    """TensorFlow, imported beside the client's messages."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import tensorflow as tf
    return tf


ARRAYS: dict[str, Array] = {
    "float32": np.array([[1.5, -2.25], [3e-39, np.inf]], np.float32),
    "float64": np.array([0.1, -1e300]),
    "float16": np.array([1.5, -65504], np.float16),
    "int8": np.array([-128, 127], np.int8),
    "int16": np.array([-32768, 32767], np.int16),
    "int32": np.array([[[-(2**31)], [2**31 - 1]]], np.int32),
    "int64": np.array([-(2**63), 2**63 - 1]),
    "uint8": np.array([0, 255], np.uint8),
    "uint16": np.array([0, 65535], np.uint16),
    "uint32": np.array([0, 2**32 - 1], np.uint32),
    "uint64": np.array([0, 2**64 - 1], np.uint64),
    "complex64": np.array([[1 + 2j, -0.5j]], np.complex64),
    "complex128": np.array([0.1 + 1e300j]),
    "bfloat16": np.array([1.5, -3e38, 0], ml_dtypes.bfloat16),
    "bool": np.array([[True], [False]]),
    "string": np.array([["都".encode(), b"\x00\xff"]], object),
    "scalar": np.array(7, np.int32),
    "empty": np.zeros((0, 3), np.float32),
    "large": np.arange(70_000, dtype=np.float32).reshape(7, -1),
    "transposed": np.arange(6, dtype=np.int64).reshape(2, 3).T,
}


@pytest.mark.parametrize("as_content", [True, False], ids=["content", "list"])
@pytest.mark.parametrize("name", ARRAYS)
def test_tensorflow_reads_our_tensors(tensorflow: Any, name: str, as_content: bool) -> None:
    raw = encode_tensor(ARRAYS[name], as_content=as_content).SerializeToString()
    read = tensorflow.make_ndarray(type(tensorflow.make_tensor_proto(0)).FromString(raw))
    np.testing.assert_array_equal(read, ARRAYS[name], strict=True)


@pytest.mark.parametrize("name", ARRAYS)
def test_we_read_tensorflows_tensors(tensorflow: Any, name: str) -> None:
    raw = tensorflow.make_tensor_proto(ARRAYS[name]).SerializeToString()
    np.testing.assert_array_equal(decode_tensor(messages.TensorProto.FromString(raw)), ARRAYS[name], strict=True)


def test_a_scalar_has_a_shape_without_sides_as_in_tensorflow(tensorflow: Any) -> None:
    official = tensorflow.make_tensor_proto(7, tensorflow.int32)
    ours = encode_tensor(np.array(7, np.int32), as_content=False)
    assert ours.HasField("tensor_shape")
    assert type(official).FromString(ours.SerializeToString()) == official


@pytest.mark.parametrize("name", ["float32", "int32", "int64", "bool", "complex64", "string"])
def test_we_read_a_shortened_list_as_tensorflow_does(tensorflow: Any, name: str) -> None:
    kind = ARRAYS[name].dtype
    proto = encode_tensor(ARRAYS[name].ravel()[:1], as_content=False)
    proto.tensor_shape.dim[0].size = 5
    raw = proto.SerializeToString()
    official = tensorflow.make_ndarray(type(tensorflow.make_tensor_proto(0)).FromString(raw))
    read = decode_tensor(messages.TensorProto.FromString(raw))
    assert read.dtype == kind
    np.testing.assert_array_equal(read, official)


@given(
    st.sampled_from(sorted(set(ARRAYS) - {"string"})),
    st.lists(st.integers(0, 5), max_size=4),
    st.booleans(),
    st.randoms(use_true_random=False),
)
@settings(deadline=None)
def test_tensors_survive_the_wire(name: str, shape: list[int], as_content: bool, random: Any) -> None:
    dtype = ARRAYS[name].dtype
    array: Array = np.array([random.randrange(100) for _ in range(int(np.prod(shape)))]).astype(dtype).reshape(shape)
    raw = encode_tensor(array, as_content=as_content).SerializeToString()
    np.testing.assert_array_equal(decode_tensor(messages.TensorProto.FromString(raw)), array, strict=True)


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=4))
def test_strings_are_read_from_the_content_that_tensorflow_writes(strings: list[bytes]) -> None:
    lengths = b"".join(_varint(len(string)) for string in strings)
    proto = messages.TensorProto(dtype=messages.DT_STRING, tensor_content=lengths + b"".join(strings))
    proto.tensor_shape.dim.add(size=len(strings))
    assert decode_tensor(proto).tolist() == strings


def test_content_of_an_empty_tensor_is_not_read() -> None:
    proto = messages.TensorProto(dtype=messages.DT_STRING, tensor_content=b"x")
    proto.tensor_shape.dim.add(size=0)
    assert decode_tensor(proto).tolist() == []


def test_a_type_unknown_to_tensorflow_is_rejected() -> None:
    with pytest.raises(TypeError, match="cannot be encoded in a TensorProto"):
        encode_tensor(np.array(["text"]))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({"dtype": "DT_FLOAT", "tensor_content": b"123"}, "3 bytes of content do not fill"),
        (
            {"dtype": "DT_STRING", "tensor_content": b"\x01\x02ab"},
            "2 bytes of content do not hold",
        ),
        ({"dtype": "DT_STRING", "tensor_content": b"\x01"}, "the content has no lengths for 2 strings"),
        ({"dtype": "DT_STRING", "tensor_content": b"\x80\x80\x80\x80\x80\x01"}, "has no lengths for 2 strings"),
        ({"dtype": 99}, "tensors of type 99 are not supported"),
    ],
)
def test_a_damaged_tensor_is_rejected(damage: dict[str, Any], message: str) -> None:
    proto = messages.TensorProto(**damage)
    proto.tensor_shape.dim.add(size=2)
    with pytest.raises(ValueError, match=message):
        decode_tensor(proto)


@pytest.mark.parametrize(
    "listed",
    [
        {"dtype": "DT_INT32", "int_val": [1, 2, 3]},
        {"dtype": "DT_INT32"},
        {"dtype": "DT_INT8", "int_val": [300]},
        {"dtype": "DT_STRING"},
        {"dtype": "DT_STRING", "string_val": [b"a", b"b", b"c"]},
        {"dtype": "DT_COMPLEX64", "scomplex_val": [1, 2]},
        {"dtype": "DT_COMPLEX64", "scomplex_val": [1, 2, 3, 4, 5, 6]},
        {"dtype": "DT_BFLOAT16", "half_val": [16256]},
        {"dtype": "DT_FLOAT", "int_val": [1, 2]},
    ],
    ids=str,
)
def test_a_list_that_does_not_fit_is_read_as_the_c_server_does(tensorflow: Any, listed: dict[str, Any]) -> None:
    proto = messages.TensorProto(**listed)
    proto.tensor_shape.dim.add(size=2)
    dtype = tensorflow.dtypes.as_dtype(proto.dtype)
    official = tensorflow.io.parse_tensor(proto.SerializeToString(), dtype).numpy()
    np.testing.assert_array_equal(decode_tensor(proto), official, strict=True)


def test_a_negative_dimension_is_rejected() -> None:
    proto = encode_tensor(np.zeros(1, np.float32))
    proto.tensor_shape.dim[0].size = -1
    with pytest.raises(ValueError, match="negative side"):
        decode_tensor(proto)


def test_a_short_list_for_a_huge_shape_is_rejected() -> None:
    proto = messages.TensorProto(dtype=messages.DT_FLOAT, float_val=[1.0])
    proto.tensor_shape.dim.add(size=2**40)
    with pytest.raises(ValueError, match="1 values in float_val cannot stand for 1099511627776 elements"):
        decode_tensor(proto)
