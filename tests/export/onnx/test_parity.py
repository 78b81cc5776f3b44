"""Test that the light file's comparison detects differences."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx.numpy_helper import from_array, to_array

from export import ParityError
from export.checkpoint import load_checkpoint
from export.onnx import ONNX_FILE, load_mapped
from export.onnx.parity import compare_light
from export.reference import ReferenceAnswer, ReferenceModel
from export.signatures import client_config, vocabulary_bytes
from tests.conftest import TINY
from tests.torch_environment import needs_torch

pytestmark = [needs_torch, pytest.mark.usefixtures("warm_torch")]

TEXTS = ("床前明月光，疑是地[MASK]霜。", "春眠不觉[MASK]，处处闻啼[MASK]。", "[MASK]")
CHECKPOINT = load_checkpoint(TINY)
VOCABULARY, CONFIG = vocabulary_bytes(CHECKPOINT), json.dumps(client_config(CHECKPOINT)).encode()


@pytest.fixture(scope="module")
def references() -> Iterator[list[ReferenceAnswer]]:
    with ReferenceModel(TINY) as original:
        yield [original.answer(original.tokenize(text)) for text in TEXTS]


@pytest.fixture
def version(tiny_version: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_version, tmp_path / "1"))


def change(version: Path, edit: Callable[[onnx.ModelProto], None]) -> None:
    model = load_mapped(version / ONNX_FILE)
    edit(model)
    onnx.save(model, version / ONNX_FILE)


def test_the_light_file_of_an_export_passes(version: Path, references: list[ReferenceAnswer]) -> None:
    found = compare_light(version, references, VOCABULARY, CONFIG)
    assert 0.99 < found.features < 1
    assert 0 < found.explain < 0.05


def test_another_tokenizer_is_found(version: Path, references: list[ReferenceAnswer]) -> None:
    with pytest.raises(ParityError, match="light file has the tokenizer settings"):
        compare_light(version, references, VOCABULARY, CONFIG.replace(b"false", b"true"))
    with pytest.raises(ParityError, match="is not the SavedModel's vocabulary"):
        compare_light(version, references, VOCABULARY + b"\nx", CONFIG)


@pytest.mark.parametrize("name", ["embeddings.positions", "bert.encoder.layer.1.output.LayerNorm.weight"])
def test_another_weight_is_found(name: str, version: Path, references: list[ReferenceAnswer]) -> None:
    def negate(model: onnx.ModelProto) -> None:
        [tensor] = [one for one in model.graph.initializer if one.name == name]
        tensor.CopyFrom(from_array(-np.asarray(to_array(tensor)), name))

    change(version, negate)
    with pytest.raises(ParityError, match="light file differs: cosine of sentence vectors"):
        compare_light(version, references, VOCABULARY, CONFIG)


def test_signatures_that_contradict_each_other_are_found(version: Path, references: list[ReferenceAnswer]) -> None:
    def halve(model: onnx.ModelProto) -> None:
        [node] = [one for one in model.graph.node if one.output[0] == "candidate_scores"]
        model.graph.initializer.append(from_array(np.array(0.5, np.float32), "half"))
        node.op_type = "Mul"
        node.input.append("half")

    change(version, halve)
    with pytest.raises(ParityError, match="one probability in fill_mask and another in score_tokens"):
        compare_light(version, references, VOCABULARY, CONFIG)
