"""The classifier's client against the embedded server, beside the official TensorFlow Serving stubs."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from bert_mlm_client import Classification, FillMask, InProcess, InputError, TextClassifier, TextPair
from tensorflow_serving.apis import classification_pb2, predict_pb2, prediction_service_pb2_grpc

from deploy.embedded.engines.onnx import OnnxEngine
from tests.client.cli.process import sentences
from tests.support.served import Served, served

TEXTS = ["床前明月光，疑是地上霜。", "春眠不觉晓", "今天天气真好啊", "他说你的很大"]


@pytest.fixture(scope="module", params=["tensorflow", "onnx"])
def server(
    request: pytest.FixtureRequest,
    tiny_version: Path,
    tiny_classifier_version: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Served]:
    models = {"bert_mlm": tiny_version.parent, "genre": tiny_classifier_version.parent}
    flags = (f"--engine={request.param}", "--enable_signature_method_name_check=true")
    with served(models, tmp_path_factory.mktemp(request.param), *flags) as running:
        yield running


@pytest.fixture(params=["grpc", "rest"])
def client(request: pytest.FixtureRequest, server: Served) -> Iterator[TextClassifier]:
    with TextClassifier(getattr(server, request.param), "genre") as opened:
        yield opened


@pytest.fixture
def stub(server: Served) -> Iterator[Any]:
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        yield prediction_service_pb2_grpc.PredictionServiceStub(channel)


def with_predict(stub: Any, row: tuple[int, ...]) -> list[Classification]:
    """Ask the signature ``classify`` with the official messages."""
    request = predict_pb2.PredictRequest(model_spec={"name": "genre", "signature_name": "classify"})
    request.inputs["input_ids"].CopyFrom(tf.make_tensor_proto(np.array([row], np.int32)))
    request.inputs["lengths"].CopyFrom(tf.make_tensor_proto(np.array([len(row)], np.int32)))
    outputs = stub.Predict(request, timeout=60).outputs
    labels, scores = tf.make_ndarray(outputs["labels"])[0], tf.make_ndarray(outputs["scores"])[0]
    return [Classification(label.decode(), float(score)) for label, score in zip(labels, scores, strict=True)]


def with_classify(stub: Any, row: tuple[int, ...]) -> list[Classification]:
    """Ask TensorFlow Serving's Classify with the official messages."""
    request = classification_pb2.ClassificationRequest(
        model_spec={"name": "genre", "signature_name": "classify_examples"}
    )
    feature = tf.train.Feature(int64_list=tf.train.Int64List(value=row))
    request.input.example_list.examples.add().features.feature["input_ids"].CopyFrom(feature)
    [found] = stub.Classify(request, timeout=60).result.classifications
    return [Classification(each.label, each.score) for each in found.classes]


@pytest.mark.parametrize("official", [with_predict, with_classify])
def test_the_official_stubs_give_the_clients_answers(
    client: TextClassifier, stub: Any, official: Callable[[Any, tuple[int, ...]], list[Classification]]
) -> None:
    tokenizer = client.tokenizer()
    for text, ours in zip(TEXTS, client.classify(TEXTS, None), strict=True):
        theirs = official(stub, tokenizer.encode(text, masks=False).input_ids)
        assert [each.label for each in ours] == [each.label for each in theirs]
        assert [each.score for each in ours] == pytest.approx([each.score for each in theirs], rel=1e-4)


def test_an_answer_has_every_label_once_best_first(client: TextClassifier) -> None:
    for labels in client.classify(TEXTS, None):
        assert sorted(each.label for each in labels) == sorted(client.labels())
        assert [each.score for each in labels] == sorted((each.score for each in labels), reverse=True)
        assert sum(each.score for each in labels) == pytest.approx(1, abs=1e-5)


def test_many_texts_are_answered_as_alone(client: TextClassifier) -> None:
    texts = [text.replace("[MASK]", "") for text in sentences(150)]
    together = client.classify(texts, None)
    for text, labels in list(zip(texts, together, strict=True))[::15]:
        alone = client.classify(text, None)
        assert [each.label for each in alone] == [each.label for each in labels]
        assert [each.score for each in alone] == pytest.approx([each.score for each in labels], rel=1e-3)


def test_a_long_text_is_truncated_to_its_start(client: TextClassifier) -> None:
    limit = client.tokenizer().config.max_length - 2
    long = "床前明月光" * limit
    with pytest.raises(InputError, match="keep the start with truncate=True"):
        client.classify(long)
    truncated, start = client.classify([long, long[:limit]], None, truncate=True)
    assert [each.score for each in truncated] == pytest.approx([each.score for each in start], rel=1e-4)


def test_the_vectors_are_those_of_the_features_signature(client: TextClassifier, server: Served) -> None:
    ours = client.features(TEXTS[0])
    with FillMask(server.grpc, "genre") as other:
        theirs = other.features(TEXTS[0])
    assert ours.mean.shape == ours.cls.shape
    assert np.allclose(ours.mean, theirs.mean, atol=1e-6)


def test_one_process_asks_both_models_of_one_server(client: TextClassifier, server: Served) -> None:
    with FillMask(server.grpc) as masks:
        assert masks.fill("床前明月[MASK]")
        assert client.classify(TEXTS[0])
        assert masks.fill("床前明月[MASK]")


def test_a_single_text_model_rejects_a_pair(client: TextClassifier) -> None:
    with pytest.raises(InputError, match="trained on single texts"):
        client.classify(TextPair(*TEXTS[:2]))


def test_the_engine_in_process_gives_the_servers_answers(tiny_models: Served, tiny_classifier_version: Path) -> None:
    with (
        TextClassifier(InProcess(OnnxEngine(tiny_classifier_version)), "genre") as local,
        TextClassifier(tiny_models.grpc, "news") as remote,
    ):
        assert local.labels() == remote.labels()
        for ours, theirs in zip(local.classify(TEXTS, None), remote.classify(TEXTS, None), strict=True):
            assert [each.label for each in ours] == [each.label for each in theirs]
            assert [each.score for each in ours] == pytest.approx([each.score for each in theirs], rel=1e-4)
