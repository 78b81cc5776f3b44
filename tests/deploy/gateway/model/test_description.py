"""Test the description of the served version."""

import asyncio
import json
import math
from pathlib import Path
from typing import Any

import pytest

from deploy.gateway.model.description import ModelDescriptions, count_parameters
from loadtest.processes import ROOT
from tests.deploy.gateway.conftest import Gateway, Start, wait_until

BERT_BASE_CHINESE = {
    "vocab_size": 21128,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "intermediate_size": 3072,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
}
MANIFEST = {
    "source": {"model": "/srv/checkpoints/bert-base-chinese"},
    "options": {"precision": "fp32"},
    "shape": BERT_BASE_CHINESE,
}


def test_parameters_are_those_of_the_checkpoint() -> None:
    content = (ROOT / "models" / "demo" / "model.safetensors").read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    weights = {name: one["shape"] for name, one in header.items() if name != "__metadata__"}
    for shared in ("cls.predictions.decoder.weight", "cls.predictions.decoder.bias"):
        weights.pop(shared, None)
    shape = json.loads((ROOT / "models" / "demo" / "config.json").read_text(encoding="utf-8"))
    assert count_parameters(shape) == sum(math.prod(one) for one in weights.values())


def test_parameters_of_bert_base_are_102_million() -> None:
    assert count_parameters(BERT_BASE_CHINESE) == 102_290_312


def describe(folder: Path, manifest: Any, *, engine: str | None = None) -> Any:
    """Return the description of version 1 with this manifest."""
    (folder / "1").mkdir()
    (folder / "1" / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return asyncio.run(ModelDescriptions(folder).of(1, engine))


@pytest.mark.parametrize(("engine", "precision"), [("onnx", "int8"), ("tensorflow", "fp32"), (None, None)])
def test_the_precision_is_the_engines(tmp_path: Path, engine: str | None, precision: str | None) -> None:
    found = describe(tmp_path, MANIFEST, engine=engine)
    assert (found.checkpoint, found.engine, found.precision) == ("bert-base-chinese", engine, precision)
    assert not found.is_demonstration


@pytest.mark.parametrize("manifest", [{}, [], None, {**MANIFEST, "shape": {}}, {**MANIFEST, "source": {"model": None}}])
def test_a_damaged_manifest_describes_nothing(tmp_path: Path, manifest: Any) -> None:
    assert describe(tmp_path, manifest) is None


def test_without_a_manifest_there_is_no_description(tmp_path: Path) -> None:
    assert asyncio.run(ModelDescriptions(tmp_path).of(1, None)) is None
    assert asyncio.run(ModelDescriptions(tmp_path).of(None, None)) is None
    assert asyncio.run(ModelDescriptions(None).of(1, None)) is None


def test_a_new_version_is_described_anew(tmp_path: Path) -> None:
    for version, name in ((1, "one"), (2, "two")):
        (tmp_path / str(version)).mkdir()
        manifest = {**MANIFEST, "source": {"model": name}}
        (tmp_path / str(version) / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    descriptions = ModelDescriptions(tmp_path)
    found = [asyncio.run(descriptions.of(version, None)) for version in (1, 2, 1)]
    assert [one and one.checkpoint for one in found] == ["one", "two", "one"]


def test_healthz_describes_the_model_with_the_engine_that_answered(
    start: Start, serving_url: str, demo_version: Path
) -> None:
    gateway = start(serving_url, f"--model-folder={demo_version.parent}")
    gateway.wait_until_ready()
    wait_until(lambda: description(gateway)["engine"] is not None)
    assert description(gateway) == {
        "checkpoint": "demo",
        "parameters": 5_315_136,
        "engine": "onnx",
        "precision": "int8",
        "is_demonstration": True,
    }


def description(gateway: Gateway) -> Any:
    return gateway.ask("GET", "/healthz").json()["model"]["description"]


def test_healthz_has_no_description_without_a_model_folder(gateway: Gateway) -> None:
    assert description(gateway) is None
