"""Test verify on each checkpoint form."""

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bert_mlm_client.tokens import Tokenizer
from bert_mlm_client.vocabulary import TokenizerConfig, Vocabulary

from deploy.embedded.engines.onnx import OnnxEngine
from deploy.embedded.errors import ServingError
from export import ParityError, find_checkpoint, savedmodel
from export.checkpoint import Checkpoint, load_checkpoint
from export.checkpoint_copy import readable_by_transformers
from export.manifest import read_manifest
from export.parity.common import TOLERANCE
from export.parity.fill_mask import Parity, compare
from export.reference import ReferenceModel, torch_python
from export.savedmodel import export_model
from tests.conftest import TINY
from tests.export.test_unnamed_rows import ADDED, NAMED, padded, write
from tests.torch_environment import needs_torch

pytestmark = [needs_torch, pytest.mark.usefixtures("warm_torch")]

PUBLISHED = Path(__file__).parent / "published"
SAVE = """
import sys
from transformers import AutoTokenizer, BertForMaskedLM
source, target = sys.argv[1:]
BertForMaskedLM.from_pretrained(source).save_pretrained(target)
AutoTokenizer.from_pretrained(source).save_pretrained(target)
"""


def verify(checkpoint: Path, output: Path) -> Parity:
    """Export a checkpoint as ``output/1`` and compare it."""
    version = export_model(find_checkpoint(str(checkpoint)), output, 1, force=True)
    return compare(version, checkpoint, read_manifest(version))


@pytest.fixture
def with_num(tiny_copy: Path) -> Path:
    """A checkpoint whose embeddings have rows for [NUM], a special token, and for nothing."""
    write(padded(), tiny_copy)
    settings = json.loads((tiny_copy / "tokenizer_config.json").read_text()) | {"extra_special_tokens": ["[NUM]"]}
    (tiny_copy / "tokenizer_config.json").write_text(json.dumps(settings))
    return tiny_copy


def test_added_tokens_and_rows_without_a_name(with_num: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parity = verify(with_num, tmp_path / "models")
    assert parity.worst < TOLERANCE
    assert parity.same_top
    check_light_engine(tmp_path / "models" / "1")

    def without_added_tokens(folder: Path, **options: Any) -> Checkpoint:
        checkpoint = load_checkpoint(folder, **options)
        assert checkpoint.tokenizer.added_tokens
        return replace(checkpoint, tokenizer=replace(checkpoint.tokenizer, added_tokens=()))

    monkeypatch.setattr(savedmodel, "load_checkpoint", without_added_tokens)
    with pytest.raises(ParityError, match=r"the version's tokenizer reads '.*NUM.*' as .*, transformers reads it as "):
        verify(with_num, tmp_path / "models")


def check_light_engine(version: Path) -> None:
    """Check that the light engine knows [NUM] and uses its row."""
    engine = OnnxEngine(version)
    told = engine.run("tokenizer", {"request": np.zeros(1, np.int32)}, ["vocab", "config"])
    tokenizer = Tokenizer(Vocabulary.parse(told["vocab"][0]), TokenizerConfig.parse(told["config"][0]))
    encoded = tokenizer.encode("[NUM]霜[MASK]")
    assert encoded.input_ids[1] == ADDED.id
    asked = {
        "input_ids": np.array([encoded.input_ids], np.int32),
        "lengths": np.array([len(encoded.input_ids)], np.int32),
        "mask_positions": np.array([encoded.mask_positions], np.int32),
    }
    token_ids = engine.run("fill_mask", asked, ["token_ids"])["token_ids"].ravel()
    assert sorted(token_ids.tolist()) == [*range(NAMED), ADDED.id]
    with pytest.raises(ServingError, match="input_ids must be from 0 to 98"):
        engine.run("fill_mask", {**asked, "input_ids": asked["input_ids"] + ADDED.id}, ["token_ids"])


def test_a_checkpoint_that_transformers_5_saved(with_num: Path, tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    command = [str(torch_python()), "-c", SAVE, str(with_num), str(saved)]
    subprocess.run(command, check=True, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    assert not (saved / "vocab.txt").exists()
    assert verify(saved, tmp_path / "models").worst < TOLERANCE


@pytest.mark.parametrize("form", ["google", "keras"])
def test_a_form_that_transformers_cannot_read(form: str, tmp_path: Path) -> None:
    assert verify(PUBLISHED / form, tmp_path).worst < TOLERANCE


def test_a_copy_has_the_weights_and_the_original_tokenizer() -> None:
    with readable_by_transformers(TINY) as folder:
        assert folder == TINY
    source = PUBLISHED / "keras"
    with readable_by_transformers(source) as folder:
        assert folder != source
        copied, original = load_checkpoint(folder), load_checkpoint(source)
        assert copied.config == original.config
        assert all((copied.weights[name] == value).all() for name, value in original.weights.items())
        assert (folder / "vocab.txt").read_bytes() == (source / "vocab.txt").read_bytes()
    assert not folder.exists()


def test_names_that_transformers_does_not_know_are_copied(tiny_copy: Path) -> None:
    from safetensors.numpy import load_file, save_file

    weights = tiny_copy / "model.safetensors"
    save_file({f"module.{name}": value for name, value in load_file(weights).items()}, weights)
    with readable_by_transformers(tiny_copy) as folder, ReferenceModel(folder) as original:
        assert folder != tiny_copy
        assert original.mask_id == load_checkpoint(TINY).vocabulary.index("[MASK]")
