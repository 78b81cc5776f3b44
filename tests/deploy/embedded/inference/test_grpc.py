"""Test Classify, Regress and MultiInference over gRPC with the official stubs."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import tensorflow as tf
from tensorflow.core.example import example_pb2, feature_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    inference_pb2,
    input_pb2,
    prediction_log_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from deploy.embedded.proto import inference_pb2 as ours
from tests.deploy.embedded.half_plus_two import CLASSIFY, PREDICT, REGRESS, save_half_plus_two, save_with_tensorflow_2


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("inference")
    save_half_plus_two(base / "half" / "123")
    save_with_tensorflow_2(base / "modern" / "1")
    return base


@pytest.fixture(scope="module")
def channel(folder: Path, serve: Callable[..., Any]) -> Iterator[grpc.Channel]:
    config = folder / "models.config"
    config.write_text(
        "model_config_list {"
        f'config {{ name: "half" base_path: "{folder / "half"}" model_platform: "tensorflow" }}'
        f'config {{ name: "modern" base_path: "{folder / "modern"}" model_platform: "tensorflow" }}'
        "}"
    )
    with serve(f"--model_config_file={config}") as server:
        server.wait_for("modern")
        with server.channel() as channel:
            yield channel


@pytest.fixture
def predictions(channel: grpc.Channel) -> Any:
    return prediction_service_pb2_grpc.PredictionServiceStub(channel)


def example(**features: Any) -> Any:
    message = tf.train.Example()
    for name, value in features.items():
        feature = message.features.feature[name]
        match value:
            case float():
                feature.float_list.value.append(value)
            case int():
                feature.int64_list.value.append(value)
            case bytes():
                feature.bytes_list.value.append(value)
    return message


def examples(*given: Any) -> Any:
    return input_pb2.Input(example_list=input_pb2.ExampleList(examples=given))


def regression(signature: str, *given: Any, model: str = "half") -> Any:
    message = regression_pb2.RegressionRequest(input=examples(*given) if given else None)
    message.model_spec.name = model
    message.model_spec.signature_name = signature
    return message


def classification(signature: str, *given: Any, model: str = "half") -> Any:
    message = classification_pb2.ClassificationRequest(input=examples(*given) if given else None)
    message.model_spec.name = model
    message.model_spec.signature_name = signature
    return message


def several(*tasks: tuple[str, str], given: Any = None, model: str = "half") -> Any:
    message = inference_pb2.MultiInferenceRequest(input=given or examples(example(x=2.0)))
    for signature, method in tasks:
        task = message.tasks.add(method_name=method)
        task.model_spec.name = model
        task.model_spec.signature_name = signature
    return message


def failure(call: Callable[..., Any], message: Any) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call(message, timeout=10)
    error: Any = caught.value
    return error.code().name, error.details()


STRING, MESSAGE, BYTES = 9, 11, 12  # google.protobuf.descriptor.FieldDescriptor's numbers, all length-delimited


@pytest.mark.parametrize("name", sorted(ours.DESCRIPTOR.message_types_by_name))
def test_every_field_has_the_official_number_and_wire_type(name: str) -> None:
    modules = (
        classification_pb2,
        example_pb2,
        feature_pb2,
        inference_pb2,
        input_pb2,
        prediction_log_pb2,
        regression_pb2,
    )
    (official,) = (
        module.DESCRIPTOR.message_types_by_name[name]
        for module in modules
        if name in module.DESCRIPTOR.message_types_by_name
    )
    for field in ours.DESCRIPTOR.message_types_by_name[name].fields:
        theirs = official.fields_by_name[field.name]
        assert (field.number, field.is_repeated) == (theirs.number, theirs.is_repeated), field.full_name
        assert field.type == theirs.type or {field.type, theirs.type} <= {STRING, MESSAGE, BYTES}, field.full_name


@pytest.mark.parametrize("signature", ["regress_x_to_y", "regress_flat"])
def test_regress_returns_a_number_for_each_example(predictions: Any, signature: str) -> None:
    answer = predictions.Regress(regression(signature, example(x=2.0), example(x=80.0)), timeout=10)
    assert [regression.value for regression in answer.result.regressions] == [3.0, 42.0]
    spec = answer.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("half", 123, signature)


def test_classify_returns_labels_scores_or_both(channel: grpc.Channel) -> None:
    classify = channel.unary_unary(  # the official answer cannot hold a label that is not UTF-8
        "/tensorflow.serving.PredictionService/Classify",
        request_serializer=classification_pb2.ClassificationRequest.SerializeToString,
        response_deserializer=ours.ClassificationResponse.FromString,
    )
    given = example(x=2.0, word=b"car"), example(x=80.0, word=b"\xff")
    found = {}
    for signature in ("classify_x_to_y", "classify_word", "classify_both"):
        answer = classify(classification(signature, *given), timeout=10)
        assert answer.model_spec.signature_name == signature
        found[signature] = [
            [(element.label, element.score) for element in row.classes] for row in answer.result.classifications
        ]
    assert found == {
        "classify_x_to_y": [[(b"", 3.0)], [(b"", 42.0)]],
        "classify_word": [[(b"car", 0.0)], [(b"\xff", 0.0)]],
        "classify_both": [[(b"car", 3.0)], [(b"\xff", 42.0)]],
    }


def test_a_context_is_part_of_every_example_and_yields_to_it(predictions: Any) -> None:
    message = regression("regress_x_to_y")
    listed = message.input.example_list_with_context
    listed.context.CopyFrom(example(x=80.0))
    listed.examples.extend([example(age=1), example(x=2.0)])
    values = [regression.value for regression in predictions.Regress(message, timeout=10).result.regressions]
    assert values == [42.0, 3.0]


def test_several_signatures_answer_in_the_order_of_their_tasks(predictions: Any) -> None:
    tasks = [("regress_x_to_y2", REGRESS), ("classify_both", CLASSIFY), ("regress_x_to_y", REGRESS)]
    answer = predictions.MultiInference(several(*tasks, given=examples(example(x=2.0, word=b"car"))), timeout=10)
    first, second, third = answer.results
    assert [result.model_spec.signature_name for result in answer.results] == [signature for signature, _ in tasks]
    assert {(result.model_spec.name, result.model_spec.version.value) for result in answer.results} == {("half", 123)}
    assert first.regression_result.regressions[0].value == 4.0
    (element,) = second.classification_result.classifications[0].classes
    assert (element.label, element.score) == ("car", 3.0)
    assert third.regression_result.regressions[0].value == 3.0


def test_several_signatures_are_fed_through_inputs_of_their_own(predictions: Any) -> None:
    """TensorFlow 2 creates a placeholder for each signature."""
    tasks = [("", CLASSIFY), ("regress", REGRESS)]
    answer = predictions.MultiInference(
        several(*tasks, given=examples(example(x=2.0), example(x=80.0)), model="modern"), timeout=10
    )
    classified, regressed = answer.results
    scores = [[element.score for element in row.classes] for row in classified.classification_result.classifications]
    assert scores == [[3.0, -3.0], [42.0, -42.0]]
    assert [row.value for row in regressed.regression_result.regressions] == [3.0, 42.0]


def test_signatures_of_tensorflow_2_classify_and_regress_without_a_method_of_their_own(predictions: Any) -> None:
    regressed = predictions.Regress(regression("regress", example(x=2.0), model="modern"), timeout=10)
    assert regressed.result.regressions[0].value == 3.0
    classified = predictions.Classify(classification("", example(x=2.0), model="modern"), timeout=10)
    assert classified.model_spec.signature_name == "serving_default"
    assert [(element.label, element.score) for element in classified.result.classifications[0].classes] == [
        ("low", 3.0),
        ("high", -3.0),
    ]


@pytest.mark.parametrize(
    ("signature", "text"),
    [
        ("none", "No signature was found with the name: none"),
        ("two_inputs", "Expected one input Tensor."),
        ("classify_both", "Expected one output Tensor."),
        ("serving_default", "No regression inputs found in SignatureDef: "),
        ("other_output", "No regression outputs found in SignatureDef: "),
        ("wide", "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got [2,2]"),
        ("short", "Input batch size did not match output batch size: 2 vs. 1"),
        ("whole", "Expected output Tensor of DT_FLOAT.  Got: DT_INT32"),
    ],
)
def test_regress_refuses_what_is_no_regression(predictions: Any, signature: str, text: str) -> None:
    code, details = failure(predictions.Regress, regression(signature, example(x=2.0), example(x=2.0)))
    assert code == "INVALID_ARGUMENT"
    assert details.startswith(text)


@pytest.mark.parametrize(
    ("signature", "text"),
    [
        ("none", "No signature was found with the name: none"),
        ("two_inputs", "Expected one input Tensor."),
        ("three_outputs", "Expected one or two output Tensors, found 3"),
        ("other_input", "No classification inputs found in SignatureDef: "),
        (
            "regress_x_to_y",
            'Expected classification signature outputs to contain at least one of "classes" or "scores".',
        ),
        ("flat_scores", "Expected Tensor shape: [batch_size num_classes] but got [2]"),
        ("short_scores", "Expected scores output batch size of 2. Got: 1"),
        ("double_scores", "Expected scores Tensor of DT_FLOAT. Got: DT_DOUBLE"),
        ("number_classes", "Expected classes Tensor of DT_STRING. Got: DT_FLOAT"),
        ("uneven", "Tensors class and score should match in dim_size(1). Got 1 vs. 2"),
    ],
)
def test_classify_refuses_what_is_no_classification(predictions: Any, signature: str, text: str) -> None:
    code, details = failure(predictions.Classify, classification(signature, example(x=2.0), example(x=2.0)))
    assert code == "INVALID_ARGUMENT"
    assert details.startswith(text)


@pytest.mark.parametrize(
    ("tasks", "code", "text"),
    [
        ([("none", REGRESS)], "INVALID_ARGUMENT", "Requested signature not found in model graph: none"),
        (
            [("regress_x_to_y", REGRESS), ("regress_x_to_y", REGRESS)],
            "INVALID_ARGUMENT",
            "Duplicate evaluation of signature: regress_x_to_y",
        ),
        ([("", PREDICT)], "UNIMPLEMENTED", f"Unsupported signature method_name: {PREDICT}"),
        ([("classify_both", REGRESS)], "INVALID_ARGUMENT", "Expected one output Tensor."),
        (
            [("regress_x_to_y", REGRESS), ("regress_x2_to_y3", REGRESS)],
            "INVALID_ARGUMENT",
            "Expects arg[1] to be float but string is provided",
        ),
        ([], "INVALID_ARGUMENT", "ModelSpec has no name specified."),
    ],
)
def test_tasks_that_do_not_go_together_are_refused(
    predictions: Any, tasks: list[tuple[str, str]], code: str, text: str
) -> None:
    assert failure(predictions.MultiInference, several(*tasks)) == (code, text)


def test_tasks_are_of_one_model(predictions: Any) -> None:
    message = several(("regress_x_to_y", REGRESS), ("regress_x_to_y2", REGRESS))
    message.tasks[1].model_spec.name = "modern"
    text = "All ModelSpecs in a MultiInferenceRequest must access the same model name."
    assert failure(predictions.MultiInference, message) == ("INVALID_ARGUMENT", text)
    message.tasks[1].model_spec.name = ""
    text = "Found ModelSpec with an empty model name."
    assert failure(predictions.MultiInference, message) == ("INVALID_ARGUMENT", text)


def test_no_example_is_an_error(predictions: Any) -> None:
    empty = ("INVALID_ARGUMENT", "Input is empty.")
    assert failure(predictions.Regress, regression("regress_x_to_y")) == empty
    assert failure(predictions.Classify, classification("classify_x_to_y")) == empty
    message = several(("regress_x_to_y", REGRESS))
    message.ClearField("input")
    assert failure(predictions.MultiInference, message) == empty
    alone = regression("regress_x_to_y")
    alone.input.example_list_with_context.context.CopyFrom(example(x=1.0))
    assert failure(predictions.Regress, alone) == empty


def test_a_missing_feature_is_told_by_the_graph(predictions: Any) -> None:
    code, details = failure(predictions.Regress, regression("regress_x_to_y", example(age=1)))
    assert code == "INVALID_ARGUMENT"
    assert "Feature: x (data type: float) is required but could not be found." in details


def test_a_signature_that_takes_no_examples_cannot_be_given_any(predictions: Any) -> None:
    refused = ("INVALID_ARGUMENT", "Expects arg[0] to be float but string is provided")
    assert failure(predictions.Regress, regression("regress_x2_to_y3", example(x2=1.0))) == refused
    assert failure(predictions.Classify, classification("classify_x2_to_y3", example(x2=1.0))) == refused
    assert failure(predictions.MultiInference, several(("regress_x2_to_y3", REGRESS))) == refused


def test_models_are_looked_up_as_for_predict(predictions: Any) -> None:
    for call, message in (
        (predictions.Regress, regression("regress_x_to_y", example(x=1.0), model="other")),
        (predictions.Classify, classification("classify_x_to_y", example(x=1.0), model="other")),
        (predictions.MultiInference, several(("regress_x_to_y", REGRESS), model="other")),
    ):
        assert failure(call, message) == ("NOT_FOUND", "Servable not found for request: Latest(other)")
    missing = ("INVALID_ARGUMENT", "Missing ModelSpec")
    assert failure(predictions.Regress, regression_pb2.RegressionRequest()) == missing
    assert failure(predictions.Classify, classification_pb2.ClassificationRequest()) == missing


def test_method_names_count_where_a_flag_says_so(folder: Path, serve: Callable[..., Any]) -> None:
    flags = f"--model_base_path={folder / 'half'}", "--model_name=half", "--enable_signature_method_name_check"
    with serve(*flags) as server:
        server.wait_for("half")
        with server.channel() as channel:
            strict = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            assert strict.Regress(regression("regress_x_to_y", example(x=2.0)), timeout=10).result.regressions
            text = f"Expected regression signature method_name to be {REGRESS}. Was: {CLASSIFY}"
            refused = ("INVALID_ARGUMENT", text)
            assert failure(strict.Regress, regression("classify_x_to_y", example(x=2.0))) == refused
            text = f"Expected classification signature method_name to be {CLASSIFY}. Was: {REGRESS}"
            refused = ("INVALID_ARGUMENT", text)
            assert failure(strict.Classify, classification("regress_x_to_y", example(x=2.0))) == refused
            assert failure(strict.MultiInference, several(("regress_x_to_y", CLASSIFY))) == refused
