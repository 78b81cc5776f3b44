"""Test the checks of a classifier's answers."""

import json
from pathlib import Path
from typing import Any

import pytest
from bert_mlm_client import TextClassifier

from deploy.gateway.consistency.baseline import BaselineError
from deploy.gateway.consistency.drift import largest_change, total_variation
from deploy.gateway.consistency.golden_texts import read_baseline
from tests.client.scripted import ScriptedClassifier
from tests.deploy.gateway.conftest import Start, wait_until
from tests.support.classifier import LABELS, NAME

TEXTS = ["今天天气很好", "中国的首都是北京", "我们去散步吧"]
FIRST = {"labels": ["诗", "词"], "scores": [0.75, 0.25]}


def manifest(**baseline: Any) -> dict[str, Any]:
    recorded = {"prompts": TEXTS[:2], "tensorflow": [FIRST] * 2, "onnx": [FIRST] * 2}
    return {"options": {"precision": "fp32"}, "labels": ["词", "诗"], "baseline": recorded | baseline}


def write(folder: Path, content: Any, problem_type: str | None = None) -> Path:
    (folder / "assets").mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps(content), encoding="utf-8")
    (folder / "assets" / "config.json").write_text(json.dumps({"problem_type": problem_type}), encoding="utf-8")
    return folder


def test_a_manifest_tells_texts_labels_and_how_they_are_compared(tmp_path: Path) -> None:
    baseline = read_baseline(write(tmp_path / "1", manifest()))
    assert (baseline.prompts, baseline.top_k, baseline.precision) == (TEXTS[:2], 2, "fp32")
    assert baseline.answers["onnx"] == [{"诗": 0.75, "词": 0.25}] * 2
    assert baseline.prompt_of(1) == TEXTS[1]
    assert baseline.distance is total_variation
    several = read_baseline(write(tmp_path / "2", manifest(), "multi_label_classification"))
    assert several.distance is largest_change


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({**manifest(), "baseline": {}}, "has no baseline"),
        (manifest(onnx=[FIRST]), "answers for 1 texts of 2"),
        (manifest(onnx=[{"labels": ["诗"], "scores": [1.5]}] * 2), "a score is not from 0 to 1"),
        (manifest(onnx=[{"labels": ["诗"], "scores": [0.5, 0.5]}] * 2), "ValueError"),
        ({"baseline": manifest()["baseline"], "options": {}}, "KeyError: 'labels'"),
    ],
)
def test_what_is_wrong_with_a_manifest_is_said(tmp_path: Path, content: Any, words: str) -> None:
    with pytest.raises(BaselineError, match="export the version again") as caught:
        read_baseline(write(tmp_path / "1", content))
    assert words in str(caught.value)


def test_a_folder_without_manifest_names_the_classifiers_setting(tmp_path: Path) -> None:
    with pytest.raises(BaselineError, match="set GATEWAY_CLASSIFIER_FOLDER to the folder of the served"):
        read_baseline(tmp_path)


def test_the_change_of_independent_labels_is_the_largest_one() -> None:
    before = {"a": 0.9, "b": 0.8, "c": 0.1}
    assert largest_change(before, before) == 0
    assert largest_change(before, {"a": 0.85, "b": 0.5, "c": 0.2}) == pytest.approx(0.3)
    assert largest_change(before, {"b": 0.8, "c": 0.1}) == pytest.approx(0.9)  # no such label any more


def record(folder: Path, url: str) -> None:
    """Write a manifest with the served classifier's answers as the baseline."""
    with TextClassifier(url, NAME) as client:
        answers = client.classify(TEXTS, None)
    rows = [
        {"labels": [one.label for one in each], "scores": [round(one.score, 6) for one in each]} for each in answers
    ]
    far = [{"labels": ["none"], "scores": [1.0]}] * len(TEXTS)
    baseline = {"prompts": TEXTS, "tensorflow": far, "onnx": rows}
    write(folder, {"options": {"precision": "fp32"}, "labels": list(LABELS), "baseline": baseline})


def test_a_gateway_checks_the_classifier_in_the_folder_beside_the_models(
    start: Start, two_models_url: str, tmp_path: Path
) -> None:
    record(tmp_path / "models" / NAME / "1", two_models_url)
    gateway = start(two_models_url, f"--classifier={NAME}", f"--model-folder={tmp_path / 'models' / 'bert_mlm'}")
    [line] = gateway.wait_for_lines(1, module="canary", model_name=NAME)
    assert (line["status"], line["model_version"]) == ("success", 1)
    assert line["value"] < 1e-5
    checked = gateway.ask("GET", "/healthz").json()["classifier"]["consistency"]
    assert (checked["status"], checked["engine"], checked["version"]) == ("success", "onnx", 1)
    assert gateway.metrics()["gateway_classifier_drift"] < 1e-5
    assert "gateway_output_drift" not in gateway.metrics()
    assert not gateway.lines(module="inference")
    [missing] = gateway.wait_for_lines(1, module="canary", model_name="bert_mlm")
    assert missing["error_type"] == "BaselineError"


def test_a_classifier_that_answers_otherwise_is_a_drift_and_an_alert(
    start: Start, two_models_url: str, classifier: ScriptedClassifier, tmp_path: Path
) -> None:
    record(tmp_path / "versions" / "1", two_models_url)
    classifier.labels = LABELS[::-1]
    gateway = start(two_models_url, f"--classifier={NAME}", f"--classifier-folder={tmp_path / 'versions'}")
    [line] = gateway.wait_for_lines(1, module="canary", model_name=NAME)
    assert (line["status"], line["level"]) == ("drift", "WARNING")
    assert line["value"] > line["threshold"]
    assert any(text in line["error"] for text in TEXTS)
    wait_until(lambda: gateway.lines(module="alert", task="output_drift", status="firing"))
    assert gateway.ask("GET", "/healthz").json()["status"] == "ok"
