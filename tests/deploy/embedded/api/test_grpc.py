"""Test the gRPC API with the official stubs and with our own."""

from collections.abc import Callable, Iterator
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from bert_mlm_client.wire import decode_tensor, encode_tensor, messages
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)


@pytest.fixture
def channel(server: Any) -> Iterator[grpc.Channel]:
    with server.channel() as channel:
        yield channel


@pytest.fixture
def predictions(channel: grpc.Channel) -> Any:
    return prediction_service_pb2_grpc.PredictionServiceStub(channel)


def request(model: str, signature: str = "", **inputs: Any) -> Any:
    message = predict_pb2.PredictRequest()
    message.model_spec.name = model
    message.model_spec.signature_name = signature
    for name, value in inputs.items():
        message.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return message


def failure(call: Callable[..., Any], message: Any, **options: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call(message, **options)
    error: Any = caught.value
    return error.code(), error.details()


def test_an_official_client_gets_its_tensors(predictions: Any) -> None:
    answer = predictions.Predict(request("pair", ids=[[1, 2]], weights=[[0.5, 1.0]]), timeout=10)
    assert tf.make_ndarray(answer.outputs["total"]).tolist() == [3]
    assert tf.make_ndarray(answer.outputs["double"]).tolist() == [[1.0, 2.0]]
    assert list(answer.outputs["double"].float_val) == [1.0, 2.0]
    assert answer.outputs["double"].tensor_content == b""


def test_the_answer_says_which_version_and_signature_it_is_of(predictions: Any) -> None:
    spec = predictions.Predict(request("half", x=[[1.0]])).model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("half", 123, "serving_default")


def test_a_rank_that_the_placeholder_does_not_have_reaches_the_graph(predictions: Any) -> None:
    answer = predictions.Predict(request("half", x=[1.0, 2.0]))
    assert tf.make_ndarray(answer.outputs["y"]).tolist() == [2.5, 3.0]


def test_every_type_travels(predictions: Any) -> None:
    answer = predictions.Predict(request("kinds", half=np.array([0.5], np.float16), flag=[True]))
    assert tf.make_ndarray(answer.outputs["half"]).tolist() == [1.0]
    assert tf.make_ndarray(answer.outputs["flag"]).tolist() == [False]
    answer = predictions.Predict(request("text", text=np.array([b"\xff", "天".encode()], object)))
    assert tf.make_ndarray(answer.outputs["text"]).tolist() == [b"\xff", "天".encode()]


def test_bytes_that_are_no_request_are_said_to_be_none(channel: grpc.Channel) -> None:
    call = channel.unary_unary("/tensorflow.serving.PredictionService/Predict", bytes, bytes)
    assert failure(call, b"\xff", timeout=10) == (grpc.StatusCode.INTERNAL, "Could not parse PredictRequest.")


def test_a_scalar_has_the_shape_of_a_scalar(predictions: Any) -> None:
    answer = predictions.Predict(request("half", x=2.0), timeout=10)
    assert answer.outputs["y"] == tf.make_tensor_proto(3.0, tf.float32)


def test_our_own_messages_are_the_same_bytes(channel: grpc.Channel) -> None:
    call = channel.unary_unary(
        "/tensorflow.serving.PredictionService/Predict",
        request_serializer=messages.PredictRequest.SerializeToString,
        response_deserializer=messages.PredictResponse.FromString,
    )
    asked = messages.PredictRequest(inputs={"x": encode_tensor(np.array([[4.0]], np.float32))})
    asked.model_spec.name = "half"
    assert decode_tensor(call(asked).outputs["y"]).tolist() == [[4.0]]


def test_only_the_outputs_asked_for_come_back(predictions: Any) -> None:
    message = request("pair", ids=[[1]], weights=[[1.0]])
    message.output_filter.append("total")
    assert list(predictions.Predict(message).outputs) == ["total"]


def test_output_filters_are_checked(predictions: Any) -> None:
    message = request("pair", ids=[[1]], weights=[[1.0]])
    message.output_filter.extend(["total", "total"])
    expected = grpc.StatusCode.INVALID_ARGUMENT, "duplicate output tensor alias: total"
    assert failure(predictions.Predict, message) == expected
    message.output_filter[:] = ["no"]
    text = "output tensor alias not found in signature: no Outputs expected to be in the set {double,total}."
    assert failure(predictions.Predict, message) == (grpc.StatusCode.INVALID_ARGUMENT, text)


def test_inputs_are_checked(predictions: Any) -> None:
    text = (
        "input size does not match signature: 1!=2 len({other}) != len({ids,weights}). Sent extra: {other}. "
        "Missing but required: {ids,weights}."
    )
    assert failure(predictions.Predict, request("pair", other=[1])) == (grpc.StatusCode.INVALID_ARGUMENT, text)
    code, text = failure(predictions.Predict, request("pair", ids=[[1]], other=[1]))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert text.startswith("Signature input alias: weights(feed name: weights:0) not found in request")


def test_types_are_checked_by_tensorflow(predictions: Any) -> None:
    code, text = failure(predictions.Predict, request("half", x=[[1]]))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert text == "Expects arg[0] to be float but int32 is provided"


def test_a_malformed_tensor_is_reported(predictions: Any) -> None:
    message = request("half", x=[[1.0]])
    message.inputs["x"].tensor_content = b"123"
    assert failure(predictions.Predict, message) == (grpc.StatusCode.INVALID_ARGUMENT, "tensor parsing error: x")


@pytest.mark.parametrize(
    ("spec", "code", "text"),
    [
        (None, "INVALID_ARGUMENT", "Missing ModelSpec"),
        ({}, "INVALID_ARGUMENT", "ModelSpec has no name specified."),
        ({"name": "none"}, "NOT_FOUND", "Servable not found for request: Latest(none)"),
        ({"name": "half", "version": {"value": 7}}, "NOT_FOUND", "Servable not found for request: Specific(half, 7)"),
        ({"name": "half", "version_label": "no"}, "INVALID_ARGUMENT", "Unrecognized servable version label: no"),
        ({"name": "half", "signature_name": "no"}, "FAILED_PRECONDITION", 'Serving signature key "no" not found.'),
    ],
)
def test_specs_are_checked(predictions: Any, spec: dict[str, Any] | None, code: str, text: str) -> None:
    message = predict_pb2.PredictRequest(model_spec=spec)
    assert failure(predictions.Predict, message) == (grpc.StatusCode[code], text)


def test_long_texts_are_cut(predictions: Any) -> None:
    code, text = failure(predictions.Predict, request("n" * 5000))
    assert code is grpc.StatusCode.NOT_FOUND
    assert text.endswith("...TRUNCATED")
    assert len(text) == 1024 + len("...TRUNCATED")


def test_metadata_unpacks_as_the_official_message(predictions: Any) -> None:
    message = get_model_metadata_pb2.GetModelMetadataRequest(
        model_spec={"name": "half"}, metadata_field=["signature_def"]
    )
    answer = predictions.GetModelMetadata(message)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(signatures)
    assert signatures.signature_def["serving_default"].inputs["x"].name == "x:0"
    assert answer.model_spec.version.value == 123


def test_metadata_requests_are_checked(predictions: Any) -> None:
    message = get_model_metadata_pb2.GetModelMetadataRequest()
    assert failure(predictions.GetModelMetadata, message)[1] == "Missing ModelSpec"
    message.model_spec.name = "half"
    text = "GetModelMetadataRequest must specify at least one metadata_field"
    assert failure(predictions.GetModelMetadata, message) == (grpc.StatusCode.INVALID_ARGUMENT, text)
    message.metadata_field.append("other")
    assert failure(predictions.GetModelMetadata, message)[0] is grpc.StatusCode.INVALID_ARGUMENT


def test_status_tells_the_state_of_a_version(channel: grpc.Channel) -> None:
    stub = model_service_pb2_grpc.ModelServiceStub(channel)
    answer = stub.GetModelStatus(get_model_status_pb2.GetModelStatusRequest(model_spec={"name": "half"}))
    (version,) = answer.model_version_status
    assert (version.version, version.state) == (123, get_model_status_pb2.ModelVersionStatus.AVAILABLE)
    message = get_model_status_pb2.GetModelStatusRequest(model_spec={"name": "none"})
    expected = grpc.StatusCode.NOT_FOUND, "Could not find any versions of model none"
    assert failure(stub.GetModelStatus, message) == expected


def test_messages_beyond_grpcs_default_limit_pass(server: Any) -> None:
    options = [("grpc.max_receive_message_length", -1)]
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}", options) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        answer = stub.Predict(request("half", x=np.zeros((2_000_000, 1), np.float32)), timeout=20)
    assert answer.outputs["y"].tensor_shape.dim[0].size == 2_000_000
