"""Test the comparison with transformers' model on the small checkpoint."""

import shutil
from pathlib import Path

import pytest

from export import ParityError, read_manifest
from export.parity.common import TOLERANCE
from export.parity.fill_mask import compare
from export.verify import main
from tests.conftest import TINY
from tests.support.exported import Export
from tests.torch_environment import needs_torch

pytestmark = [needs_torch, pytest.mark.usefixtures("warm_torch")]


def test_the_exported_graph_answers_as_transformers_does(tiny_version: Path) -> None:
    parity = compare(tiny_version, TINY, read_manifest(tiny_version))
    assert parity.same_top
    assert parity.worst < TOLERANCE
    assert parity.sentences > 10
    assert parity.texts > 50


def test_rounding_to_bf16_is_reported_apart_from_the_graphs_own_error(tiny_version_in: Export) -> None:
    version = tiny_version_in("bf16")
    parity = compare(version, TINY, read_manifest(version))
    assert parity.worst < TOLERANCE < parity.rounding


def test_one_altered_weight_is_detected(tiny_version: Path, tiny_copy: Path) -> None:
    from safetensors.numpy import load_file, save_file

    tensors = load_file(tiny_copy / "model.safetensors")
    tensors["cls.predictions.bias"][50] += 1e-3
    save_file(tensors, tiny_copy / "model.safetensors")
    with pytest.raises(ParityError, match="differs from"):
        compare(tiny_version, tiny_copy, read_manifest(tiny_version))


def test_the_command_writes_the_figures_into_the_manifest(
    tiny_version: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    version = Path(shutil.copytree(tiny_version, tmp_path / "1"))
    assert main([str(version)]) == 0
    assert "answers as the original does" in capsys.readouterr().out
    assert read_manifest(version).parity["same_top"] is True


def test_version_without_whitened_vectors_must_be_exported_again(tmp_path: Path, tiny_version: Path) -> None:
    import tensorflow as tf

    version = Path(shutil.copytree(tiny_version, tmp_path / "1"))
    tf.saved_model.save(tf.Module(), str(version))
    with pytest.raises(ParityError, match="export it again"):
        compare(version, TINY, read_manifest(version))


def test_command_rejects_another_checkpoint(
    tiny_version: Path, tiny_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vocabulary = tiny_copy / "vocab.txt"
    vocabulary.write_bytes(vocabulary.read_bytes().replace("霜".encode(), "雪".encode()))
    assert main([str(tiny_version), "--model", str(tiny_copy)]) == 1
    assert "is not the checkpoint that" in capsys.readouterr().err
