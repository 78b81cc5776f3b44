"""Test TensorFlow checkpoints by the original programs (published/make.sh)."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from export import CheckpointError
from export.checkpoint import Checkpoint, load_checkpoint
from export.onnx.session import FloatModel, feeds

PUBLISHED = Path(__file__).parent / "published"


def log_probabilities(checkpoint: Checkpoint, golden: dict[str, Any]) -> Any:
    session = FloatModel(checkpoint, top_k=len(checkpoint.vocabulary))
    asked = feeds(np.array([golden["ids"]], np.int32), np.array([[golden["place"]]], np.int32))
    token_ids, scores = session.run(["token_ids", "scores"], asked)
    found = np.empty(token_ids.size)
    found[token_ids.ravel()] = np.log(scores.ravel())
    return found


@pytest.mark.parametrize("name", ["keras", "keras-pretraining"])
def test_a_keras_file_answers_as_the_model_that_was_saved(name: str) -> None:
    golden = json.loads((PUBLISHED / name / "golden.json").read_text())
    found = log_probabilities(load_checkpoint(PUBLISHED / name), golden)
    assert found == pytest.approx(golden["log_probabilities"], abs=5e-5)


def test_googles_checkpoint_answers_as_googles_graph() -> None:
    golden = json.loads((PUBLISHED / "google" / "golden.json").read_text())
    checkpoint = load_checkpoint(PUBLISHED / "google")
    # Google's code approximates GELU by tanh; transformers, and the export with it, take its "gelu" for the exact one.
    as_google = replace(checkpoint, config=replace(checkpoint.config, hidden_act="gelu_new"))
    assert log_probabilities(as_google, golden) == pytest.approx(golden["log_probabilities"], abs=5e-5)
    assert log_probabilities(checkpoint, golden) == pytest.approx(golden["log_probabilities"], abs=5e-3)


def test_optimizer_state_is_ignored(tmp_path: Path) -> None:
    import tensorflow as tf

    folder = Path(shutil.copytree(PUBLISHED / "google", tmp_path / "google"))
    reader = tf.train.load_checkpoint(str(folder / "bert_model.ckpt"))
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        for name in reader.get_variable_to_shape_map():
            tf.compat.v1.get_variable(name, initializer=reader.get_tensor(name))
        for slot in ("adam_m", "adam_v"):
            tf.compat.v1.get_variable(f"bert/embeddings/LayerNorm/beta/{slot}", initializer=tf.zeros(32))
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver().save(session, str(folder / "bert_model.ckpt"))
    before, after = load_checkpoint(PUBLISHED / "google").weights, load_checkpoint(folder).weights
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_a_classifier_of_run_classifier_is_rejected_by_name(tmp_path: Path) -> None:
    import tensorflow as tf

    folder = Path(shutil.copytree(PUBLISHED / "google", tmp_path / "google"))
    reader = tf.train.load_checkpoint(str(folder / "bert_model.ckpt"))
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        for name in reader.get_variable_to_shape_map():
            if not name.startswith("cls/"):
                tf.compat.v1.get_variable(name, initializer=reader.get_tensor(name))
        tf.compat.v1.get_variable("output_weights", initializer=tf.zeros([3, 32]))
        tf.compat.v1.get_variable("output_bias", initializer=tf.zeros([3]))
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver().save(session, str(folder / "bert_model.ckpt"))
    with pytest.raises(CheckpointError, match=r"fine-tuned for another task \(output_bias, output_weights\)"):
        load_checkpoint(folder)


@pytest.mark.parametrize(
    ("form", "file"), [("keras", "tf_model.h5"), ("google", "bert_model.ckpt.index")], ids=["h5", "index"]
)
def test_a_damaged_file_is_rejected_by_name(form: str, file: str, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(PUBLISHED / form, tmp_path / form))
    (folder / file).write_bytes((folder / file).read_bytes()[:100])
    with pytest.raises(CheckpointError, match=r"is damaged or (incomplete|not an HDF5 file)") as refused:
        load_checkpoint(folder)
    assert "\n" not in str(refused.value)


def test_a_google_checkpoint_without_its_data_is_rejected_by_name(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(PUBLISHED / "google", tmp_path / "google"))
    (folder / "bert_model.ckpt.data-00000-of-00001").unlink()
    with pytest.raises(CheckpointError, match=r"bert_model\.ckpt\.\* is damaged or incomplete"):
        load_checkpoint(folder)


def test_embeddings_that_keras_stores_twice_must_be_equal(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(PUBLISHED / "keras", tmp_path / "keras"))
    with h5py.File(folder / "tf_model.h5", "r+") as file:
        table = file["mlm___cls/tf_bert_for_masked_lm/bert/embeddings/word_embeddings/weight:0"]
        table[0, 0] += 1
    with pytest.raises(CheckpointError, match=r"word_embeddings\.weight is stored twice, with other values"):
        load_checkpoint(folder)
