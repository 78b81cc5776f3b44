import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import export.savedmodel as subject
from export import VersionError, find_checkpoint, read_manifest
from export.savedmodel import ExportOptions, export_model
from export.warmup import WARMUP_FILE
from tests.conftest import TINY


def test_a_version_has_the_layout_that_servers_and_clients_rely_on(tiny_version: Path) -> None:
    for name in (
        "saved_model.pb",
        "variables/variables.index",
        "assets/vocab.txt",
        "assets/config.json",
        "assets/tokenizer_config.json",
        "assets.extra/tf_serving_warmup_requests",
        "manifest.json",
    ):
        assert (tiny_version / name).is_file(), name
    assert (tiny_version / "assets/vocab.txt").read_bytes() == (TINY / "vocab.txt").read_bytes()
    assert tiny_version.stat().st_mode & 0o055 == 0o055  # a server that runs as another user can read it


def test_the_graph_has_stock_operations_only(tiny_version: Path) -> None:
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel.FromString((tiny_version / "saved_model.pb").read_bytes())
    graph = saved.meta_graphs[0].graph_def
    used = {node.op for node in graph.node} | {node.op for f in graph.library.function for node in f.node_def}
    functions = {function.signature.name for function in graph.library.function}
    registered = set(tf.raw_ops.__dict__) | {"_Arg", "_Retval"}
    assert not {op for op in used - functions if op not in registered}


def test_the_manifest_names_the_source_and_every_file_by_its_digest(tiny_version: Path) -> None:
    manifest = read_manifest(tiny_version)
    assert (
        manifest.source["digests"]["model.safetensors"] == sha256((TINY / "model.safetensors").read_bytes()).hexdigest()
    )
    assert manifest.options == {"precision": "fp32", "lower_case": None, "top_k": 100}
    assert manifest.shape["max_length"] == 64
    written = {p.relative_to(tiny_version).as_posix() for p in tiny_version.rglob("*") if p.is_file()}
    assert manifest.files.keys() == written - {"manifest.json"}
    for name, digest in manifest.files.items():
        assert sha256((tiny_version / name).read_bytes()).hexdigest() == digest


def test_warmup_has_a_request_of_each_signature_for_each_length_and_all_of_them_run(tiny_version: Path) -> None:
    from tensorflow_serving.apis import prediction_log_pb2

    signatures = tf.saved_model.load(str(tiny_version)).signatures
    lengths: dict[str, list[int]] = {}
    for record in tf.data.TFRecordDataset(str(tiny_version / WARMUP_FILE)):
        request = prediction_log_pb2.PredictionLog.FromString(record.numpy()).predict_log.request
        inputs = {name: tf.constant(tf.make_ndarray(tensor)) for name, tensor in request.inputs.items()}
        name = request.model_spec.signature_name
        lengths.setdefault(name, []).append(next(iter(inputs.values())).shape[-1])
        if "input_ids" in inputs:
            lengths[name][-1] = inputs["input_ids"].shape[1]
        signatures[name](**inputs)
    assert lengths["fill_mask"] == [8, 16, 32, 64]
    assert lengths.keys() == set(signatures)


def test_existing_version_is_not_overwritten(tiny_version: Path) -> None:
    before = (tiny_version / "manifest.json").read_bytes()
    with pytest.raises(VersionError, match=r"exists: choose another --version, or replace it with --force"):
        export_model(find_checkpoint(str(TINY)), tiny_version.parent, 1)
    assert (tiny_version / "manifest.json").read_bytes() == before


def test_force_replaces_a_version_whole(tmp_path: Path) -> None:
    (tmp_path / "3").mkdir()
    (tmp_path / "3" / "left_over").touch()
    export_model(find_checkpoint(str(TINY)), tmp_path, 3, force=True)
    assert not (tmp_path / "3" / "left_over").exists()
    assert read_manifest(tmp_path / "3")
    assert [path.name for path in tmp_path.iterdir()] == ["3"]


@pytest.mark.parametrize("force", [False, True])
def test_an_export_that_fails_late_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, force: bool
) -> None:
    def fail(*_: Any) -> None:
        raise KeyboardInterrupt

    if force:
        (tmp_path / "1").mkdir()
        (tmp_path / "1" / "precious").touch()
    monkeypatch.setattr(subject, "write_manifest", fail)
    with pytest.raises(KeyboardInterrupt):
        export_model(find_checkpoint(str(TINY)), tmp_path, 1, force=force)
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*")) == (
        ["1", "1/precious"] if force else []
    )


def test_overridden_lower_case_is_recorded_everywhere(tmp_path: Path) -> None:
    version = export_model(find_checkpoint(str(TINY)), tmp_path, 1, ExportOptions(lower_case=True))
    assert read_manifest(version).options["lower_case"] is True
    assert json.loads((version / "assets/tokenizer_config.json").read_text())["do_lower_case"] is True
    config = tf.saved_model.load(str(version)).signatures["tokenizer"](tf.constant(np.array([0], np.int32)))["config"]
    assert json.loads(config.numpy()[0])["do_lower_case"] is True


def test_folder_without_manifest_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(VersionError, match="no export has finished it"):
        read_manifest(tmp_path)


def test_the_loader_that_servers_use_finds_every_signature(tiny_version: Path) -> None:
    graph = tf.Graph()
    with tf.compat.v1.Session(graph=graph) as session:
        meta = tf.compat.v1.saved_model.load(session, ["serve"], str(tiny_version))
        assert set(meta.signature_def) >= {
            "fill_mask",
            "score_tokens",
            "features",
            "explain",
            "tokenizer",
            "serving_default",
        }
