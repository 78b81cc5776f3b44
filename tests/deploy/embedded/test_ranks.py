"""Test the round trip of tensors of every rank and type over REST and gRPC."""

from collections.abc import Callable, Iterator
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

from tests.deploy.embedded.conftest import Server, Signatures, save

v1 = tf.compat.v1

SHAPES = ((), (2,), (2, 1), (1, 2, 2), (2, 1, 1, 2), (1, 1, 2, 1, 1), (0,), (2, 0))
JSON_TYPES = ("float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint32", "uint64", "bool", "string")
OTHER_TYPES = {"float16": "half", "bfloat16": "bfloat16", "complex64": "complex64", "uint16": "uint16"}


def identities() -> Signatures:
    """Return for each type an identity signature and one that returns the first value."""
    signatures: Signatures = {}
    for name in (*JSON_TYPES, *OTHER_TYPES):
        x = v1.placeholder(tf.dtypes.as_dtype(name), None, name)
        signatures[name] = {"x": x}, {"y": tf.identity(x)}
        signatures[f"first_{name}"] = {"x": x}, {"y": tf.reshape(x, [-1])[0]}
    numbers = v1.placeholder(tf.int32, None, "numbers")
    for name in OTHER_TYPES:
        signatures[f"to_{name}"] = {"x": numbers}, {"y": tf.cast(numbers, name)}
    text = v1.placeholder(tf.string, None, "text")
    signatures["bytes"] = {"x": text}, {"y_bytes": tf.identity(text)}
    return signatures


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, serve: Callable[..., Any]) -> Iterator[Server]:
    base = tmp_path_factory.mktemp("ranks") / "ranks"
    save(base / "1", identities)
    with serve("--model_name=ranks", f"--model_base_path={base}") as running:
        running.wait_for("ranks")
        yield running


@pytest.fixture(scope="module")
def predict(server: Server) -> Iterator[Callable[[str, Any], Any]]:
    """Ask with an official message, and return the output as an official client reads it."""
    with server.channel() as channel:
        stub = PredictionServiceStub(channel)

        def ask(signature: str, value: Any) -> Any:
            message = predict_pb2.PredictRequest(model_spec={"name": "ranks", "signature_name": signature})
            message.inputs["x"].CopyFrom(tf.make_tensor_proto(value))
            return tf.make_ndarray(stub.Predict(message, timeout=10).outputs["y"])

        yield ask


def values(name: str, shape: tuple[int, ...]) -> Any:
    size = int(np.prod(shape))
    if name == "string":
        array = np.empty(size, object)
        array[:] = [f"字{number}\0".encode() for number in range(size)]
        return array.reshape(shape)
    return (np.arange(size) % 2).astype(tf.dtypes.as_dtype(name).as_numpy_dtype).reshape(shape)


def written(array: Any) -> Any:
    """Convert an array to its JSON value."""
    if array.dtype != object:
        return array.tolist()
    return np.vectorize(bytes.decode, otypes=[object])(array).tolist() if array.size else array.tolist()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", [*JSON_TYPES, *OTHER_TYPES])
def test_every_rank_and_type_travels_over_grpc(predict: Callable[[str, Any], Any], name: str, shape: Any) -> None:
    array = values(name, shape)
    found = predict(name, array)
    np.testing.assert_array_equal(found, array)
    assert (found.dtype, found.shape) == (array.dtype, shape)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", JSON_TYPES)
def test_every_rank_and_type_travels_as_columns(server: Server, name: str, shape: Any) -> None:
    given = written(values(name, shape))
    answer = server.predict("ranks", {"signature_name": name, "inputs": given})
    assert (answer.status, answer.json) == (200, {"outputs": given})


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape and shape[0]], ids=str)
@pytest.mark.parametrize("name", JSON_TYPES)
def test_every_rank_and_type_travels_as_rows(server: Server, name: str, shape: Any) -> None:
    given = written(values(name, shape))
    answer = server.predict("ranks", {"signature_name": name, "instances": given})
    assert (answer.status, answer.json) == (200, {"predictions": given})


@pytest.mark.parametrize("name", JSON_TYPES)
def test_a_scalar_output_is_a_column_and_no_row(server: Server, predict: Callable[[str, Any], Any], name: str) -> None:
    array = values(name, (3,))
    assert predict(f"first_{name}", array).item() == array[0]
    document = {"signature_name": f"first_{name}", "inputs": written(array)}
    assert server.predict("ranks", document).json == {"outputs": written(array)[0]}
    answer = server.predict("ranks", {"signature_name": f"first_{name}", "instances": written(array)})
    assert (answer.status, answer.error) == (400, "Tensor name: y has no shape information ")


def test_bytes_of_every_rank_are_base64(server: Server) -> None:
    given: Any = {"b64": "YQA="}
    for _ in range(5):
        assert server.predict("ranks", {"signature_name": "bytes", "inputs": given}).json == {"outputs": given}
        given = [given]


@pytest.mark.parametrize(("name", "written_name"), OTHER_TYPES.items())
def test_json_has_no_such_input(server: Server, name: str, written_name: str) -> None:
    for given, quoted in ((1, "1"), ([[1.5, 2]], "1.5"), (["a"], '"a"')):
        answer = server.predict("ranks", {"signature_name": name, "inputs": given})
        assert (answer.status, answer.error) == (501, f"Conversion of JSON Value: {quoted} to type: {written_name}")
    answer = server.predict("ranks", {"signature_name": name, "instances": [1]})
    text = f"UNIMPLEMENTED: Conversion of JSON Value: 1 to type: {written_name}"
    assert (answer.status, answer.error) == (400, f"Failed to process element: 0 of 'instances' list. Error: {text}")
    assert server.predict("ranks", {"signature_name": name, "inputs": []}).json == {"outputs": []}


@pytest.mark.parametrize(("name", "written_name"), [item for item in OTHER_TYPES.items() if item[0] != "float16"])
def test_json_has_no_such_output(server: Server, name: str, written_name: str) -> None:
    answer = server.predict("ranks", {"signature_name": f"to_{name}", "inputs": [1]})
    assert (answer.status, answer.error) == (400, f"Failed to write JSON value for tensor type: {written_name}")


def test_a_half_output_is_a_number(server: Server) -> None:
    assert server.predict("ranks", {"signature_name": "to_float16", "inputs": [1, 2]}).json == {"outputs": [1.0, 2.0]}


def test_strings_in_tensor_content_are_read(server: Server) -> None:
    """The lengths come first, then the strings (core::EncodeStringList)."""
    strings = [b"a" * 200, b"", "字".encode()]
    message = predict_pb2.PredictRequest(model_spec={"name": "ranks", "signature_name": "string"})
    tensor = message.inputs["x"]
    tensor.dtype = tf.string.as_datatype_enum
    tensor.tensor_shape.dim.add(size=3)
    tensor.tensor_content = b"\xc8\x01\x00\x03" + b"".join(strings)
    with server.channel() as channel:
        stub = PredictionServiceStub(channel)
        assert list(stub.Predict(message, timeout=10).outputs["y"].string_val) == strings
        tensor.tensor_content = b"\xc8\x01\x00\x04" + b"".join(strings)
        with pytest.raises(grpc.RpcError) as caught:
            stub.Predict(message, timeout=10)
    error: Any = caught.value
    assert (error.code(), error.details()) == (grpc.StatusCode.INVALID_ARGUMENT, "tensor parsing error: x")
