"""Test an exported classifier over gRPC and REST, on both engines, with the official stubs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import classification_pb2, predict_pb2, prediction_service_pb2_grpc

from loadtest.processes import http
from tests.export.classifier import LABELS, golden, log_probabilities
from tests.support.served import Served, served

TEXT = golden("cls")[0]
IDS = TEXT["input_ids"]


@pytest.fixture(scope="module", params=["tensorflow", "onnx"])
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def server(
    engine: str, tiny_version: Path, tiny_classifier_version: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    models = {"bert_mlm": tiny_version.parent, "news": tiny_classifier_version.parent}
    flags = (f"--engine={engine}", "--enable_signature_method_name_check=true")
    with served(models, tmp_path_factory.mktemp(engine), *flags) as running:
        yield running


@pytest.fixture
def stub(server: Served) -> Iterator[Any]:
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        yield prediction_service_pb2_grpc.PredictionServiceStub(channel)


def classification(*rows: list[int], signature: str = "classify_examples") -> Any:
    request = classification_pb2.ClassificationRequest()
    request.model_spec.name, request.model_spec.signature_name = "news", signature
    for row in rows:
        feature = tf.train.Feature(int64_list=tf.train.Int64List(value=row))
        request.input.example_list.examples.add().CopyFrom(
            tf.train.Example(features=tf.train.Features(feature={"input_ids": feature}))
        )
    return request


def prediction(*rows: list[int]) -> Any:
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = "news", "classify"
    longest = max(map(len, rows))
    ids = np.array([row + [0] * (longest - len(row)) for row in rows], np.int32)
    request.inputs["input_ids"].CopyFrom(tf.make_tensor_proto(ids))
    request.inputs["lengths"].CopyFrom(tf.make_tensor_proto(np.array([len(row) for row in rows], np.int32)))
    return request


def failure(call: Any, request: Any) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as found:
        call(request, timeout=60)
    error: Any = found.value
    return error.code().name, error.details()


def ask(server: Served, verb: str, document: Any) -> Any:
    return json.loads(http(server.rest_port, "POST", f"/v1/models/news:{verb}", json.dumps(document).encode()))


def test_classify_and_predict_give_the_answer_of_transformers(stub: Any, engine: str) -> None:
    [classified] = stub.Classify(classification(IDS), timeout=60).result.classifications
    predicted = stub.Predict(prediction(IDS), timeout=60)
    labels = [label.decode() for label in tf.make_ndarray(predicted.outputs["labels"])[0]]
    scores = tf.make_ndarray(predicted.outputs["scores"])[0]
    assert [one.label for one in classified.classes] == labels
    assert [one.score for one in classified.classes] == pytest.approx(scores.tolist(), rel=1e-5)
    expected = log_probabilities(TEXT["logits"])
    assert labels[0] == LABELS[int(expected.argmax())]
    found = np.log([scores[labels.index(label)] for label in LABELS])
    tolerance = 1e-4 if engine == "tensorflow" else 0.5
    assert np.abs(found - expected)[expected > -8].max() < tolerance


def test_examples_of_unequal_lengths_are_answered_in_order(stub: Any) -> None:
    rows = [answer["input_ids"] for answer in golden("cls")]
    answer = stub.Classify(classification(*rows), timeout=60)
    assert answer.model_spec.signature_name == "classify_examples"
    assert answer.model_spec.version.value == 1
    best = [one.classes[0].label for one in answer.result.classifications]
    assert best == [LABELS[int(np.argmax(one["logits"]))] for one in golden("cls")]
    assert all(len(one.classes) == len(LABELS) for one in answer.result.classifications)


def test_rest_gives_a_list_of_pairs_for_each_example(server: Served, stub: Any) -> None:
    rows = [answer["input_ids"] for answer in golden("cls")[:2]]
    document = {"signature_name": "classify_examples", "examples": [{"input_ids": row} for row in rows]}
    found = ask(server, "classify", document)["results"]
    answer = stub.Classify(classification(*rows), timeout=60).result.classifications
    assert [[label for label, _ in pairs] for pairs in found] == [[c.label for c in one.classes] for one in answer]
    scores = [[score for _, score in pairs] for pairs in found]
    assert np.allclose(scores, [[c.score for c in one.classes] for one in answer], rtol=1e-5)


def test_predict_over_rest_takes_a_row_for_each_text(server: Served) -> None:
    [found] = ask(
        server, "predict", {"signature_name": "classify", "instances": [{"input_ids": IDS, "lengths": len(IDS)}]}
    )["predictions"]
    assert found["labels"][0] == LABELS[int(np.argmax(TEXT["logits"]))]
    assert sum(found["scores"]) == pytest.approx(1, abs=1e-5)


def test_classify_needs_its_own_signature(stub: Any, engine: str) -> None:
    method = "Expected classification signature method_name to be tensorflow/serving/classify. Was: "
    assert failure(stub.Classify, classification(IDS, signature="classify")) == (
        "INVALID_ARGUMENT",
        f"{method}tensorflow/serving/predict",
    )
    code, text = failure(stub.Classify, classification(IDS, signature=""))
    assert code == "INVALID_ARGUMENT"
    absent = "No signature was found with the name: serving_default"  # the light file has no logits
    assert text == (absent if engine == "onnx" else f"{method}tensorflow/serving/predict")


def test_a_request_without_examples_is_rejected(stub: Any) -> None:
    assert failure(stub.Classify, classification()) == ("INVALID_ARGUMENT", "Input is empty.")


def test_both_models_are_asked_on_one_port(server: Served) -> None:
    ids, mask = [2, 60, 4, 3], [2]
    row = {"input_ids": ids, "lengths": len(ids), "mask_positions": mask}
    body = json.dumps({"signature_name": "fill_mask", "instances": [row]}).encode()
    filled = json.loads(http(server.rest_port, "POST", "/v1/models/bert_mlm:predict", body))
    assert len(filled["predictions"][0]["token_ids"][0]) == 98


def test_without_the_check_a_signature_of_two_inputs_is_rejected_by_its_inputs(tiny_models: Served) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{tiny_models.grpc_port}") as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        assert failure(stub.Classify, classification(IDS, signature="classify")) == (
            "INVALID_ARGUMENT",
            "Expected one input Tensor.",
        )
        assert stub.Classify(classification(IDS), timeout=60).result.classifications[0].classes[0].label in LABELS
