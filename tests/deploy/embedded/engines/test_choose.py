"""Compare both engines, and test ONNX Runtime without TensorFlow."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from deploy.embedded.engines.choose import choose_engine
from deploy.embedded.engines.onnx import ONNX_FILE, OnnxEngine
from deploy.embedded.errors import Code, ServingError
from tests.deploy.embedded.conftest import Start
from tests.support.environment import ROOT, environment

Inputs = dict[str, NDArray[np.int32]]

OUTPUTS = {
    "fill_mask": ["scores", "token_ids"],
    "score_tokens": ["scores"],
    "features": ["cls", "mean", "whitened"],
    "explain": ["attention"],
}


@pytest.fixture(scope="module")
def light(tiny_version: Path) -> OnnxEngine:
    return OnnxEngine(tiny_version)


@pytest.fixture(scope="module")
def full(tiny_version: Path) -> Any:
    from deploy.embedded.engines.tensorflow import TensorFlowEngine

    return TensorFlowEngine(tiny_version)


def sentences(signature: str) -> Inputs:
    """Return three sentences of unequal length, with what the signature takes beside them."""
    random = np.random.default_rng(3)
    inputs = {
        "input_ids": random.integers(5, 98, (3, 12)).astype(np.int32),
        "lengths": np.array([12, 7, 9], np.int32),
        "mask_positions": np.array([[1, 10], [2, 5], [3, 3]], np.int32),
        "candidate_ids": random.integers(5, 98, (3, 4)).astype(np.int32),
    }
    left_out = {
        "fill_mask": {"candidate_ids"},
        "score_tokens": set(),
        "features": {"candidate_ids", "mask_positions"},
        "explain": {"candidate_ids"},
    }[signature]
    return {name: array for name, array in inputs.items() if name not in left_out}


@pytest.mark.parametrize("signature", OUTPUTS)
def test_both_engines_give_the_same_answer_but_for_rounding(demo_version: Path, signature: str) -> None:
    from deploy.embedded.engines.tensorflow import TensorFlowEngine

    light: Any = OnnxEngine(demo_version)
    full: Any = TensorFlowEngine(demo_version)
    inputs, outputs = sentences(signature), OUTPUTS[signature]
    rounded, exact = light.run(signature, inputs, outputs), full.run(signature, inputs, outputs)
    for name in outputs:
        assert rounded[name].shape == exact[name].shape
        assert rounded[name].dtype == exact[name].dtype
    if signature == "features":
        for name in outputs:
            cosines = (rounded[name] * exact[name]).sum(-1) / (
                np.linalg.norm(rounded[name], axis=-1) * np.linalg.norm(exact[name], axis=-1)
            )
            assert (cosines > 0.99).all()
    else:
        name = outputs[0]
        assert np.abs(rounded[name] - exact[name]).max() < 0.1


def test_both_engines_know_the_same_signatures_but_for_the_logits(light: OnnxEngine, full: Any) -> None:
    assert dict(light.signatures) == {
        name: signature
        for name, signature in full.signatures.items()
        if name not in {"serving_default", "__saved_model_init_op"}
    }


def test_both_engines_give_the_same_tokenizer(light: OnnxEngine, full: Any) -> None:
    request = {"request": np.zeros(2, np.int32)}
    ours, theirs = (engine.run("tokenizer", request, ["vocab", "config"]) for engine in (light, full))
    for name in ("vocab", "config"):
        assert ours[name].tolist() == theirs[name].tolist()


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"mask_positions": [[12], [0], [0]]}, "mask_positions must be from 0 to 11"),
        ({"mask_positions": [[-1], [0], [0]]}, "mask_positions must be from 0 to 11"),
        ({"input_ids": [[98] * 12] * 3}, "input_ids must be from 0 to 97"),
        ({"lengths": [12, 7]}, "lengths has 2 rows, input_ids has 3"),
        ({"lengths": [[12], [7], [9]]}, "lengths must have 1 dimensions, not 2"),
        ({"input_ids": [[5] * 65] * 3}, "input_ids: this model takes at most 64 tokens"),
        ({"input_ids": np.zeros((3, 0))}, "input_ids is empty"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(light: OnnxEngine, changed: dict[str, Any], told: str) -> None:
    inputs = sentences("fill_mask") | {name: np.array(value, np.int32) for name, value in changed.items()}
    with pytest.raises(ServingError, match=told) as caught:
        light.run("fill_mask", inputs, ["scores"])
    assert caught.value.code is Code.INVALID_ARGUMENT


def test_another_type_is_refused_by_name(light: OnnxEngine) -> None:
    inputs = sentences("features")
    with pytest.raises(ServingError, match="lengths must be int32, not int64"):
        light.run("features", {**inputs, "lengths": inputs["lengths"].astype(np.int64)}, ["cls"])


def test_a_version_without_the_light_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ServingError, match="export the model again") as caught:
        OnnxEngine(tmp_path)
    assert caught.value.code is Code.NOT_FOUND


def test_auto_is_tensorflow_unless_the_version_has_the_light_file_alone(tiny_version: Path, tmp_path: Path) -> None:
    assert choose_engine("auto", tiny_version) == "tensorflow"
    assert choose_engine("onnx", tiny_version) == "onnx"
    (tmp_path / ONNX_FILE).parent.mkdir()
    (tmp_path / ONNX_FILE).touch()
    assert choose_engine("auto", tmp_path) == "onnx"
    with pytest.raises(ServingError, match="does not appear to contain a SavedModel bundle") as caught:
        choose_engine("tensorflow", tmp_path)
    assert caught.value.code is Code.NOT_FOUND


def test_the_light_server_runs_where_tensorflow_is_not_installed(
    tiny_version: Path, tmp_path: Path, start: Start
) -> None:
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / "tensorflow.py").write_text("raise ImportError('TensorFlow is not installed here')\n", encoding="utf-8")
    servable = tmp_path / "bert_mlm"
    shutil.copytree(tiny_version, servable / "1")
    (servable / "1" / "saved_model.pb").unlink()  # the engine needs only the ONNX file and the vocabulary
    shutil.rmtree(servable / "1" / "variables")
    path = os.pathsep.join([str(blocked), environment()["PYTHONPATH"]])
    refused = subprocess.run(
        [sys.executable, "-c", "import tensorflow"],
        env={**environment(), "PYTHONPATH": path},
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    assert refused.returncode != 0
    server = start("--model_name=bert_mlm", f"--model_base_path={servable}", env={"PYTHONPATH": path})
    server.wait_for("bert_mlm")
    inputs = {name: array.tolist() for name, array in sentences("fill_mask").items()}
    answer = server.predict("bert_mlm", {"signature_name": "fill_mask", "inputs": inputs})
    assert answer.status == 200
    assert np.array(answer.json["outputs"]["token_ids"]).shape == (3, 2, 98)
    logits = server.predict("bert_mlm", {"inputs": {"input_ids": [[2, 3]]}})
    assert logits.status == 400
    assert "serving_default" in logits.error
    status, log = server.stop()
    assert status == 0
    assert "Traceback" not in log


def test_a_damaged_light_file_does_not_serve(tiny_version: Path, tmp_path: Path, start: Start) -> None:
    servable = tmp_path / "bert_mlm"
    shutil.copytree(tiny_version, servable / "1")
    (servable / "1" / ONNX_FILE).write_bytes(b"no model")
    process = start(
        "--engine=onnx", "--model_name=bert_mlm", f"--model_base_path={servable}", "--max_num_load_retries=0"
    ).process
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 255
    assert "model.int8.onnx" in out
