"""Test ``python -m deploy.local --classifier`` on the small checkpoints, exported before."""

import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from bert_mlm_client import FillMask, TextClassifier
from rich.console import Console

from deploy.local.__main__ import main
from deploy.local.examples import read_examples, show_classified
from tests.deploy.local.test_local import SENTENCE, Local, arguments, start, stop
from tests.support.ports import free_port

TEXTS = ("今天天气真好。", "床前明月光，疑是地上霜。")


@pytest.fixture(scope="module")
def local(
    tiny_version: Path, tiny_classifier_version: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Local]:
    """Both models on the light engine, with which the server starts faster."""
    models = tmp_path_factory.mktemp("models")
    for name, version in (("bert_mlm", tiny_version), ("news", tiny_classifier_version)):
        ignored = shutil.ignore_patterns("saved_model.pb", "variables")
        shutil.copytree(version, models / name / "1", ignore=ignored)
    running = start(models, flags=["--classifier=news"])
    yield running
    stop(running)


def test_one_server_and_one_gateway_have_both_models(local: Local) -> None:
    assert f"Starting server and gateway for {local.models}/bert_mlm/1 and {local.models}/news/1." in local.printed
    for name in ("bert_mlm", "news"):
        url = f"http://127.0.0.1:{local.rest_port}/v1/models/{name}"
        assert f"REST       {url}\n" in local.printed
        with urlopen(url) as answer:
            assert json.load(answer)["model_version_status"][0]["state"] == "AVAILABLE"
    assert len(local.children()) == 2


def test_the_gateway_classifies_as_the_client_does(local: Local) -> None:
    address = f"grpc://127.0.0.1:{local.grpc_port}"
    with FillMask(address) as model, TextClassifier(address, model="news") as classifier:
        assert model.fill(SENTENCE)
        [best] = classifier.classify(TEXTS[0])
    body = json.dumps({"inputs": TEXTS[0]}).encode()
    url = f"http://127.0.0.1:{local.gateway_port}/v1/classify"
    with urlopen(Request(url, body, {"Content-Type": "application/json"})) as answer:
        answered = json.load(answer)
    assert answered[0]["label"] == best.label
    assert answered[0]["score"] == pytest.approx(best.score, abs=1e-6)


def test_the_sample_answers_are_a_table_with_a_row_a_text(local: Local) -> None:
    console = Console(file=io.StringIO(), width=100)
    show_classified(console, f"grpc://127.0.0.1:{local.grpc_port}", "news", TEXTS)
    assert isinstance(console.file, io.StringIO)
    printed = console.file.getvalue()
    with TextClassifier(f"grpc://127.0.0.1:{local.grpc_port}", model="news") as classifier:
        labels = classifier.labels()
    for text in TEXTS:
        [line] = [line for line in printed.splitlines() if text in line]
        assert any(f" {label} " in line for label in labels)


def test_examples_are_the_lines_of_a_file_that_may_be_missing(tmp_path: Path) -> None:
    (tmp_path / "examples.txt").write_text("一句。\n又一句。\n", encoding="utf-8")
    assert read_examples(tmp_path / "examples.txt") == ["一句。", "又一句。"]
    assert read_examples(tmp_path / "missing.txt") == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bert_mlm", "both models would be named bert_mlm; choose another NAME or CLASSIFIER"),
        ("nothing", "has no train.tsv to train nothing from"),
    ],
)
@pytest.mark.usefixtures("signal_handlers")
def test_a_classifier_that_cannot_be_served_is_one_clear_sentence(
    local: Local, capsys: pytest.CaptureFixture[str], name: str, message: str
) -> None:
    ports = free_port(), free_port(), free_port()
    assert main([*arguments(local.models, *ports), f"--classifier={name}"]) == 1
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
