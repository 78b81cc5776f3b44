"""Test the comparison of a classifier with transformers' model."""

import json
import shutil
from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file

from export import ParityError, find_checkpoint, read_manifest
from export.parity.classify import ClassifierParity, compare
from export.parity.common import TOLERANCE
from export.reference import ReferenceClassifier
from export.savedmodel import ExportOptions, export_model
from export.verify import main
from tests.conftest import TINY_CLASSIFIER
from tests.export.classifier import LABELS, golden, write_kind
from tests.torch_environment import needs_torch

pytestmark = [needs_torch, pytest.mark.usefixtures("warm_torch")]

TEXT = "床前明月光，疑是地上霜。\n春眠不觉晓，处处闻啼鸟。\n今天天气真好啊，适合出去玩。\n他说：“你啊！”\n"


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """Lines that the small vocabulary covers."""
    path = tmp_path / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def verify(checkpoint: Path, version: Path, text: Path) -> ClassifierParity:
    return compare(version, checkpoint, read_manifest(version), text)


def test_the_exported_graph_answers_as_transformers_does(tiny_classifier_version: Path, text: Path) -> None:
    parity = verify(TINY_CLASSIFIER, tiny_classifier_version, text)
    assert parity.worst < TOLERANCE
    assert parity.same_label
    assert parity.sentences > 10
    assert parity.texts > 50
    assert parity.lines == 4


@pytest.mark.parametrize("kind", ["mean", "multi", "pairs"])
def test_the_other_kinds(kind: str, tmp_path: Path, text: Path, tiny_classifier_version: Path) -> None:
    checkpoint = write_kind(kind, tmp_path / kind)
    version = export_model(find_checkpoint(str(checkpoint)), tmp_path / "news", 1)
    parity = verify(checkpoint, version, text)
    assert parity.worst < TOLERANCE
    assert parity.same_label
    assert parity.sentences > (20 if kind == "pairs" else 10)
    if kind != "multi":  # whose encoder and pooler are those of a single label
        with pytest.raises(ParityError, match="differs"):
            verify(checkpoint, tiny_classifier_version, text)


def test_rounding_to_bf16_is_reported_apart_from_the_graphs_own_error(tmp_path: Path, text: Path) -> None:
    version = export_model(find_checkpoint(str(TINY_CLASSIFIER)), tmp_path / "news", 1, ExportOptions("bf16"))
    parity = verify(TINY_CLASSIFIER, version, text)
    assert parity.worst < TOLERANCE < parity.rounding


@pytest.mark.parametrize("name", ["classifier.bias", "bert.pooler.dense.bias"])
def test_one_altered_weight_is_detected(name: str, tiny_classifier_version: Path, tmp_path: Path, text: Path) -> None:
    checkpoint = write_kind("cls", tmp_path / "altered")
    tensors = load_file(checkpoint / "model.safetensors")
    tensors[name][3] += 3e-3
    save_file(tensors, checkpoint / "model.safetensors")
    with pytest.raises(ParityError, match="differs from"):
        verify(checkpoint, tiny_classifier_version, text)


def test_a_text_that_the_vocabulary_does_not_cover_is_left_out(tiny_classifier_version: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.txt"
    path.write_text("鸡蛋炒饭\n西红柿\n", encoding="utf-8")
    assert verify(TINY_CLASSIFIER, tiny_classifier_version, path).lines == 0


def test_the_command_writes_the_figures_into_the_manifest(
    tiny_classifier_version: Path, tmp_path: Path, text: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    version = Path(shutil.copytree(tiny_classifier_version, tmp_path / "1"))
    assert main([str(version), "--text", str(text)]) == 0
    printed = capsys.readouterr().out
    assert "best labels identical" in printed
    assert "The light file answers nearly as the original does: the same label for 100.0% of 4 texts" in printed
    manifest = read_manifest(version)
    assert manifest.parity["same_label"] is True
    assert manifest.quantisation["verified"]["texts"] == 4


def test_the_reference_is_the_pipeline(tmp_path: Path) -> None:
    for kind in ("cls", "mean"):
        with ReferenceClassifier(write_kind(kind, tmp_path / kind)) as original:
            for answer in golden(kind):
                [text] = answer["text"]
                ids = original.tokenize(text)
                assert ids.tolist() == answer["input_ids"]
                assert original.answer(ids).logits == pytest.approx(answer["logits"], abs=1e-5)
                every = original.classify(text, top_k=None)
                assert {one["label"] for one in every} == set(LABELS)
                assert original.classify(text) == every[:1]


def test_the_manifest_has_the_task_the_labels_and_a_baseline(tiny_classifier_version: Path) -> None:
    manifest = read_manifest(tiny_classifier_version)
    assert manifest.task == "text_classification"
    assert manifest.labels == list(LABELS)
    assert manifest.options == {"precision": "fp32", "lower_case": None}
    assert manifest.quantisation["exact_integers"] is True
    prompts = manifest.baseline["prompts"]
    assert len(prompts) >= 16
    assert not [prompt for prompt in prompts if "[MASK]" in prompt]
    for engine in ("tensorflow", "onnx"):
        assert len(manifest.baseline[engine]) == len(prompts)
        for answer in manifest.baseline[engine]:
            assert sorted(answer["labels"]) == sorted(LABELS)
            assert answer["scores"] == sorted(answer["scores"], reverse=True)
            assert sum(answer["scores"]) == pytest.approx(1, abs=1e-5)
    json.dumps(manifest.baseline)
