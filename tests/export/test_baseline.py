"""Test the baseline in the manifest against both engines."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file, save_file

from export import CheckpointError, find_checkpoint, read_manifest
from export.baseline import GOLDEN, TOP_K
from export.checkpoint import load_checkpoint
from export.manifest import write_manifest
from export.onnx import ONNX_FILE
from export.onnx.sample import encode_lines
from export.onnx.session import open_session
from export.savedmodel import ExportOptions, export_model
from tests.conftest import DEMO, TINY


def test_golden_prompts_are_valid_and_fully_tokenized_by_a_small_vocabulary() -> None:
    lines = GOLDEN.read_text(encoding="utf-8").splitlines()
    demo = load_checkpoint(DEMO)
    unknown = demo.vocabulary.index("[UNK]")
    for checkpoint in (demo, load_checkpoint(TINY)):
        assert [prompt.text for prompt in encode_lines(checkpoint, lines)] == lines
    assert not any(unknown in prompt.input_ids for prompt in encode_lines(demo, lines))
    assert {len(prompt.mask_positions) for prompt in encode_lines(demo, lines)} == {1, 2}
    assert len(set(lines)) == len(lines) >= 16


BATCH_ROUNDING = {"tensorflow": 1e-5, "onnx": 2e-4}
"""Relative change of a score in a padded batch, where float32 adds in another order; in integers it moves a step."""


def test_the_baseline_has_what_each_engine_answers_to_a_prompt_alone(demo_version: Path) -> None:
    baseline = read_manifest(demo_version).baseline
    fill_mask = tf.saved_model.load(str(demo_version)).signatures["fill_mask"]
    light = open_session(demo_version / ONNX_FILE)
    found: dict[str, list[Any]] = {"tensorflow": [], "onnx": []}
    for prompt in encode_lines(load_checkpoint(DEMO), baseline["prompts"]):
        ids, positions = np.array([prompt.input_ids], np.int32), np.array([prompt.mask_positions], np.int32)
        lengths, count = np.array([ids.size], np.int32), np.array([positions.size], np.int32)
        answer = fill_mask(
            input_ids=tf.constant(ids), lengths=tf.constant(lengths), mask_positions=tf.constant(positions)
        )
        found["tensorflow"] += zip(answer["token_ids"].numpy()[0], answer["scores"].numpy()[0], strict=True)
        feeds = {"input_ids": ids, "lengths": lengths, "positions": positions, "answers": count}
        token_ids, scores = light.run(["token_ids", "scores"], {**feeds, "candidate_ids": np.zeros((1, 1), np.int32)})
        found["onnx"] += zip(token_ids[0], scores[0], strict=True)
    for engine, masks in found.items():
        assert len(baseline[engine]) == len(masks)
        for recorded, (token_ids, scores) in zip(baseline[engine], masks, strict=True):
            by_token = dict(zip(token_ids.tolist(), scores.tolist(), strict=True))
            assert len(recorded["token_ids"]) == TOP_K
            assert recorded["token_ids"][0] == token_ids[0]
            now = [by_token[token] for token in recorded["token_ids"]]
            assert np.allclose(recorded["scores"], now, rtol=BATCH_ROUNDING[engine], atol=2e-6)
    assert baseline["tensorflow"] != baseline["onnx"]


def test_the_manifest_stays_small_with_a_line_for_each_list_of_numbers(demo_version: Path) -> None:
    text = (demo_version / "manifest.json").read_text(encoding="utf-8")
    assert len(text.encode()) < 30_000
    assert len(text.splitlines()) < 300
    baseline = json.loads(text)["baseline"]
    assert f'"token_ids": {json.dumps(baseline["onnx"][0]["token_ids"])},' in text


def test_a_manifest_is_written_and_read_without_loss(demo_version: Path, tmp_path: Path) -> None:
    manifest = read_manifest(demo_version)
    write_manifest(tmp_path, manifest)
    assert read_manifest(tmp_path) == manifest


def test_older_manifest_has_an_empty_baseline(demo_version: Path, tmp_path: Path) -> None:
    content = json.loads((demo_version / "manifest.json").read_text(encoding="utf-8"))
    del content["baseline"]
    (tmp_path / "manifest.json").write_text(json.dumps(content), encoding="utf-8")
    assert read_manifest(tmp_path).baseline == {}


def test_a_version_whose_weights_do_not_fit_their_precision_is_not_exported(tiny_copy: Path, tmp_path: Path) -> None:
    weights = load_file(tiny_copy / "model.safetensors")
    weights["cls.predictions.bias"][7] = 1e6  # infinite in 16 bits
    save_file(weights, tiny_copy / "model.safetensors")
    with (
        pytest.raises(CheckpointError, match=r"NaN or infinite scores \(tensorflow\): .* another --precision"),
        pytest.warns(RuntimeWarning, match="overflow"),
    ):
        export_model(find_checkpoint(str(tiny_copy)), tmp_path / "bert_mlm", 1, ExportOptions("fp16"))
    assert not list((tmp_path / "bert_mlm").iterdir())
