"""Test that a classifier is trained once, on the small checkpoint."""

from pathlib import Path

import pytest

from deploy.local import training
from deploy.local.process import StartError
from deploy.local.training import ensure_checkpoint
from tests.conftest import TINY
from tests.torch_environment import needs_torch

TEXTS = {"poem": "床前明月光，疑是地上霜。", "weather": "今天天气真好。"}


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A training set of two labels, for the small checkpoint."""
    monkeypatch.setattr(training, "BASE", TINY)
    monkeypatch.setattr(training, "RECIPE", ("--epochs=1",))
    folder = tmp_path / "poems"
    folder.mkdir()
    rows = "".join(f"{text}\t{label}\n" for label, text in TEXTS.items())
    for name in ("train.tsv", "dev.tsv"):
        (folder / name).write_text(f"text\tlabel\n{rows}", encoding="utf-8")
    return folder


def assert_not_trained(data: Path, output: Path, message: str) -> None:
    with pytest.raises(StartError, match=message):
        ensure_checkpoint(data, output)


@needs_torch
@pytest.mark.usefixtures("warm_torch")
def test_it_is_trained_once_and_again_for_other_texts(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "classifiers"
    checkpoint = ensure_checkpoint(data, output)
    assert (checkpoint / "model.safetensors").is_file()
    assert "Fine-tuning" in capfd.readouterr().out
    with monkeypatch.context() as patch:
        patch.setenv("TORCH_PYTHON", str(tmp_path / "missing"))  # so that training fails
        assert ensure_checkpoint(data, output) == checkpoint
        assert "trained before" in capfd.readouterr().out
        (data / "dev.tsv").write_text("text\tlabel\n今天很好。\tweather\n", encoding="utf-8")
        assert_not_trained(data, output, "PyTorch is not installed")
        monkeypatch.setattr(training, "RECIPE", ("--epochs=2",))
        assert_not_trained(data, output, "PyTorch is not installed")


def test_without_pytorch_the_message_says_how_to_install_it(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_PYTHON", str(tmp_path / "missing"))
    assert_not_trained(data, tmp_path / "classifiers", "training poems needs; `make torch` installs it")
    assert not (tmp_path / "classifiers").exists()


@needs_torch
def test_a_failed_training_is_said_and_leaves_no_checkpoint(
    data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (data / "train.tsv").write_text("text\tlabel\n今天很好。\tweather\n", encoding="utf-8")
    assert_not_trained(data, tmp_path / "classifiers", "poems was not trained")
    assert "the label 'weather' alone" in capfd.readouterr().err
    assert not list((tmp_path / "classifiers").glob("poems-????????????"))
