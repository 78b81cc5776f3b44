"""Test ModelService with the official stubs and messages."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)
from tensorflow_serving.config import model_server_config_pb2

States = get_model_status_pb2.ModelVersionStatus.State
PLATFORM_CHANGE = (
    "Illegal to change a model's platform. For model half platform was tensorflow and new platform requested is other"
)
ALL: dict[str, Any] = {"model_version_policy": {"all": {}}}


@pytest.fixture
def channel(reloaded: Any) -> Iterator[grpc.Channel]:
    with reloaded.channel() as channel:
        yield channel


@pytest.fixture
def service(channel: grpc.Channel) -> Any:
    return model_service_pb2_grpc.ModelServiceStub(channel)


@pytest.fixture(scope="module")
def reloaded(serve: Callable[..., Any]) -> Iterator[Any]:
    """Start a server without models; every test sends its own list."""
    with serve("--model_config_file=/dev/null", "--max_num_load_retries=0") as server:
        with server.channel() as channel:
            grpc.channel_ready_future(channel).result(timeout=60)
        yield server


def entry(models: Path, name: str, folder: str = "", **fields: Any) -> dict[str, Any]:
    return {"name": name, "base_path": str(models / (folder or name)), "model_platform": "tensorflow", **fields}


def reload(service: Any, *entries: dict[str, Any], timeout: float = 30) -> Any:
    config = model_server_config_pb2.ModelServerConfig(model_config_list={"config": entries})
    config.model_config_list.SetInParent()
    return service.HandleReloadConfigRequest(
        model_management_pb2.ReloadConfigRequest(config=config), timeout=timeout
    ).status


def failure(call: Callable[..., Any], *args: Any, **options: Any) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call(*args, **options)
    error: Any = caught.value
    return error.code().name, error.details()


def states(service: Any, **spec: Any) -> dict[int, str]:
    answer = service.GetModelStatus(get_model_status_pb2.GetModelStatusRequest(model_spec=spec), timeout=10)
    return {version.version: States.Name(version.state) for version in answer.model_version_status}


def predict(channel: grpc.Channel, **spec: Any) -> Any:
    message = predict_pb2.PredictRequest(model_spec=spec)
    message.inputs["x"].CopyFrom(tf.make_tensor_proto([[1.0]]))
    return prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(message, timeout=10)


def test_a_reload_replaces_the_list_of_models(
    service: Any, channel: grpc.Channel, models: Path, eventually: Callable[..., None]
) -> None:
    reload(service)
    assert failure(states, service, name="swapped") == ("NOT_FOUND", "Could not find any versions of model swapped")
    status = reload(service, entry(models, "swapped", "half", **ALL))
    assert (status.error_code, status.error_message) == (0, "")
    assert predict(channel, name="swapped").model_spec.version.value == 123

    reload(service, entry(models, "pair"))
    assert states(service, name="pair") == {1: "AVAILABLE"}
    text = "Servable not found for request: Latest(swapped)"
    assert failure(predict, channel, name="swapped") == ("NOT_FOUND", text)
    eventually(lambda: states(service, name="swapped") == {123: "END", 1: "END"})


def test_labels_choose_a_version_in_both_apis(
    reloaded: Any, service: Any, channel: grpc.Channel, models: Path, eventually: Callable[..., None]
) -> None:
    reload(service, entry(models, "labelled", "half", **ALL))
    eventually(lambda: states(service, name="labelled") == {123: "AVAILABLE", 1: "AVAILABLE"})
    reload(service, entry(models, "labelled", "half", version_labels={"stable": 1, "canary": 123}, **ALL))
    assert predict(channel, name="labelled", version_label="stable").model_spec.version.value == 1
    assert predict(channel, name="labelled", version_label="canary").model_spec.version.value == 123
    assert predict(channel, name="labelled").model_spec.version.value == 123
    text = "Unrecognized servable version label: none"
    assert failure(predict, channel, name="labelled", version_label="none") == ("INVALID_ARGUMENT", text)

    def ask(label: str) -> Any:
        return reloaded.ask("POST", f"/v1/models/labelled/labels/{label}:predict", '{"instances": [1]}')

    assert ask("stable").json == {"predictions": [2.5]}
    assert (ask("none").status, ask("none").error) == (400, text)
    document = reloaded.ask("GET", "/v1/models/labelled/labels/stable/metadata").json
    assert document["model_spec"]["version"] == "1"

    refused = failure(reload, service, entry(models, "labelled", "half", version_labels={"stable": 7}, **ALL))
    text = "Request to assign label to version 7 of model labelled, which is not currently available for inference"
    assert refused == ("FAILED_PRECONDITION", text)
    assert ask("stable").status == 200


def test_status_passes_over_labels_and_names_what_is_not_there(service: Any, models: Path) -> None:
    reload(service, entry(models, "half"))
    assert states(service, name="half") == {123: "AVAILABLE"}
    assert states(service, name="half", version_label="none") == {123: "AVAILABLE"}
    assert states(service, name="half", version={"value": 123}) == {123: "AVAILABLE"}
    text = "Could not find version 7 of model half"
    assert failure(states, service, name="half", version={"value": 7}) == ("NOT_FOUND", text)
    empty = get_model_status_pb2.GetModelStatusRequest()
    assert failure(service.GetModelStatus, empty) == ("INVALID_ARGUMENT", "Missing ModelSpec")


def test_a_version_that_does_not_load_is_told_with_its_reason(
    reloaded: Any, service: Any, models: Path, tmp_path: Path
) -> None:
    (tmp_path / "5").mkdir()
    code, text = failure(reload, service, entry(models, "half"), entry(tmp_path, "empty", "."))
    assert code == "UNKNOWN"
    assert text.startswith("1 model(s) did not become available: {{{name: empty version: 5} due to error: ")
    answer = service.GetModelStatus(get_model_status_pb2.GetModelStatusRequest(model_spec={"name": "empty"}))
    (version,) = answer.model_version_status
    assert States.Name(version.state) == "END"
    assert version.status.error_code == grpc.StatusCode.NOT_FOUND.value[0]
    assert version.status.error_message == (
        "Specified file path does not appear to contain a SavedModel bundle (should have a file called "
        f"`saved_model.pb`)\nSpecified file path: {tmp_path / '5'}"
    )
    assert f"{version.status.error_message}}}, }}" in text
    (shown,) = reloaded.ask("GET", "/v1/models/empty").json["model_version_status"]
    assert shown["state"] == "END"
    assert shown["status"]["error_message"] == version.status.error_message
    assert states(service, name="half") == {123: "AVAILABLE"}


@pytest.mark.parametrize(
    ("entries", "code", "text"),
    [
        ([{"name": "half"}] * 2, "INVALID_ARGUMENT", "Illegal to list model half multiple times in config list"),
        (
            [{"base_path": "relative/half"}],
            "INVALID_ARGUMENT",
            "Expected model half to have an absolute path or URI; got base_path()=relative/half",
        ),
        (
            [{"model_platform": "other"}],
            "INVALID_ARGUMENT",
            PLATFORM_CHANGE,
        ),
        (
            [{"name": "new", "model_platform": "other"}],
            "INVALID_ARGUMENT",
            "Model new requests unsupported platform other",
        ),
        (
            [{"version_labels": {"stable": 1}}],
            "FAILED_PRECONDITION",
            "Request to assign label to version 1 of model half, which is not currently available for inference",
        ),
        (
            [{"logging_config": {"sampling_config": {"sampling_rate": 1}}}],
            "INVALID_ARGUMENT",
            "No request-logger-creator provided.",
        ),
    ],
)
def test_lists_that_cannot_be_served_change_nothing(
    service: Any, models: Path, entries: list[dict[str, Any]], code: str, text: str
) -> None:
    reload(service, entry(models, "half"))
    assert failure(reload, service, *(entry(models, "half") | changes for changes in entries)) == (code, text)
    assert states(service, name="half") == {123: "AVAILABLE"}


def test_only_lists_are_taken(service: Any) -> None:
    text = (
        "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is currently supported"
    )
    request = model_management_pb2.ReloadConfigRequest()
    assert failure(service.HandleReloadConfigRequest, request) == ("INVALID_ARGUMENT", text)
    request.config.custom_model_config.SetInParent()
    assert failure(service.HandleReloadConfigRequest, request) == ("INVALID_ARGUMENT", text)


def test_a_missing_path_is_waited_for_and_leaves_the_rest_alone(service: Any, models: Path, tmp_path: Path) -> None:
    half, lost = entry(models, "half"), entry(tmp_path, "lost", "no/such")
    assert failure(reload, service, half, lost, timeout=1)[0] == "DEADLINE_EXCEEDED"
    assert states(service, name="half") == {123: "AVAILABLE"}
    assert reload(service, half).error_code == 0
