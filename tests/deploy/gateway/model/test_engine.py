"""Test the gateway with the light engine in its process."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.gateway.settings import SettingsError
from tests.deploy.gateway.conftest import SENTENCE, Gateway, Start, StartProcess, wait_until
from tests.support.gateway import gateway_in_thread
from tests.support.settings import settings_from

QUESTIONS = (
    ("/predict", {"text": SENTENCE, "top_k": 3}),
    ("/v1/fill-mask", {"inputs": [SENTENCE, "床前[MASK]月光。"]}),
    ("/v1/fill-mask", {"inputs": "床前[MASK][MASK]光。", "parameters": {"joint": True}}),
    ("/v1/score", {"inputs": SENTENCE, "parameters": {"candidates": ["都", "府"]}}),
    ("/v1/similarity", {"inputs": {"source_sentence": "今天下雨。", "sentences": ["今天有雨。", "他在读书。"]}}),
    ("/v1/features", {"inputs": "春天。"}),
    ("/v1/explain", {"inputs": SENTENCE}),
    ("/v1/proofread", {"inputs": "他说话总是绵里藏真。", "parameters": {"threshold": 0.01}}),
)


def engine(folder: Path) -> tuple[str, str]:
    return "--engine=onnx", f"--model-folder={folder}"


@pytest.fixture(scope="module")
def alone(demo_version: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway_in_thread(tmp_path_factory.mktemp("alone"), None, *engine(demo_version.parent)) as running:
        running.wait_until_ready()
        yield running


def put(version: Path, servable: Path, number: int) -> None:
    servable.mkdir(exist_ok=True)
    shutil.copytree(version, servable / f".tmp-{number}").rename(servable / str(number))


@pytest.mark.parametrize(("path", "document"), QUESTIONS)
def test_it_answers_every_question_as_with_a_light_server(
    alone: Gateway, gateway: Gateway, path: str, document: Any
) -> None:
    assert flat(alone.answer(path, document)) == pytest.approx(flat(gateway.answer(path, document)), abs=1e-5)


def flat(document: Any) -> list[Any]:
    """Return the leaves of a document in order."""
    match document:
        case dict():
            return [leaf for value in document.values() for leaf in flat(value)]
        case list():
            return [leaf for value in document for leaf in flat(value)]
    return [hash(document) if isinstance(document, str) else document if document is not None else -1]


def test_health_log_and_metrics_are_those_of_a_gateway_with_a_server(alone: Gateway) -> None:
    alone.answer("/predict", {"text": SENTENCE})
    state = alone.ask("GET", "/healthz").json()
    assert (state["status"], state["model"]["addresses"], state["model"]["version"]) == ("ok", ["in-process"], 1)
    assert state["resources"]["server"] is None
    assert state["resources"]["gateway"]["memory_mb"] > 50
    line = alone.lines(module="inference", path="/predict", status="success")[-1]
    assert line["model_version"] == 1
    assert 0 < line["inference_time_ms"] < line["total_time_ms"]
    [load] = alone.lines(task="model_load", status="success")
    assert load["model_version"] == 1
    wait_until(lambda: bool(alone.lines(module="canary")))
    assert alone.lines(module="canary")[0]["status"] == "success"
    assert alone.metrics()["gateway_model_version"] == 1


def test_a_new_version_answers_once_it_is_loaded(start: Start, demo_version: Path, tmp_path: Path) -> None:
    servable = tmp_path / "bert_mlm"
    put(demo_version, servable, 1)
    gateway = start(None, *engine(servable))
    gateway.wait_until_ready()
    gateway.answer("/predict", {"text": SENTENCE})
    put(demo_version, servable, 2)
    wait_until(lambda: gateway.ask("GET", "/healthz").json()["model"]["version"] == 2)
    gateway.answer("/predict", {"text": SENTENCE})
    lines = gateway.wait_for_lines(2, module="inference")
    assert [line["model_version"] for line in lines] == [1, 2]


def test_without_a_version_it_is_not_ready_and_says_so(start: Start, tmp_path: Path) -> None:
    gateway = start(None, *engine(tmp_path / "bert_mlm"))
    wait_until(lambda: "versions of model bert_mlm" in gateway.ask("GET", "/readyz").text)
    assert gateway.ask("GET", "/readyz").status_code == 503
    answer = gateway.post("/predict", {"text": SENTENCE})
    assert (answer.status_code, answer.json()["error_type"]) == (503, "ModelNotFoundError")
    assert str(tmp_path) not in answer.text


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="only Linux lists a process's libraries")
def test_its_process_has_neither_tensorflow_nor_grpc_and_ends_with_a_signal(
    start_process: StartProcess, demo_version: Path
) -> None:
    gateway = start_process(None, *engine(demo_version.parent))
    gateway.wait_until_ready()
    gateway.answer("/predict", {"text": SENTENCE})
    assert f"running {demo_version.parent} with the onnx engine" in gateway.printed[0]
    mapped = Path(f"/proc/{gateway.process.pid}/maps").read_text("utf-8")
    assert "onnxruntime" in mapped
    assert "tensorflow" not in mapped
    assert "grpc" not in mapped
    status, said = gateway.stop()
    assert status == 0
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"GATEWAY_ENGINE": "onnx"}, "GATEWAY_ENGINE needs GATEWAY_MODEL_FOLDER"),
        (
            {"GATEWAY_ENGINE": "onnx", "GATEWAY_MODEL_FOLDER": "models/bert_mlm", "SERVING_URL": "grpc://a:8500"},
            "GATEWAY_ENGINE and SERVING_URL exclude each other",
        ),
        ({"GATEWAY_ENGINE": "tensorflow"}, "GATEWAY_ENGINE is 'tensorflow'; give one of none, onnx"),
    ],
)
def test_an_engine_without_versions_or_beside_a_server_is_refused(variables: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        settings_from(variables)
