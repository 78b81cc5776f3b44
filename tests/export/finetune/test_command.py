"""Errors of the command, before PyTorch starts."""

import fcntl
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from tests.conftest import TINY
from tests.export.finetune.conftest import Finetuning, rows, table


def set_dev(content: str | bytes) -> Callable[[Finetuning], None]:
    return lambda run: overwrite(run.dev, content)


def set_train(content: str | bytes) -> Callable[[Finetuning], None]:
    return lambda run: overwrite(run.train, content)


def overwrite(path: Path, content: str | bytes) -> None:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def nothing(_run: Finetuning) -> None:
    pass


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (set_dev("text\tlabel\n今天\t曲\n"), (), "dev.tsv, line 2 has the label '曲', which no training text has"),
        (set_train("text\tlabel\n今\t诗\n\t话\n"), (), "train.tsv, line 3: the text is empty"),
        (set_train("text\tlabel\n今\t诗\n天\t诗\n"), (), "train.tsv has the label '诗' alone"),
        (set_train("text\tlabel\tlabel\n今\t诗\t1\n"), (), "train.tsv has two columns named 'label'"),
        (set_dev(table([("text", "label"), *rows(8)]).encode("gbk")), (), "the file is probably GB18030"),
        (nothing, ("--text-column", "title"), "has no column 'title'"),
        (nothing, ("--max-length", "65"), "--max-length 65 is more than the 64 tokens that the checkpoint reads"),
        (nothing, ("--layers", "3"), "--layers 3 is more than the 2 of"),
        (nothing, ("--class-weights", "missing.json"), "missing.json"),
        (nothing, ("--model", "/nowhere"), "there is no folder /nowhere"),
        (nothing, ("--train", "/nowhere.tsv"), "/nowhere.tsv"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(
    finetuning: Finetuning,
    change: Callable[[Finetuning], None],
    options: tuple[str, ...],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    change(finetuning)
    assert finetuning.run(*options) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith("finetune: ")
    assert message in printed.err
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert finetuning.left == []


@pytest.mark.parametrize(
    "options",
    [
        ("--epochs", "0"),
        ("--mask-characters", "1"),
        ("--hidden-dropout", "-0.1"),
        ("--learning-rate", "nan"),
        ("--batch-size", "many"),
        ("--pooling", "max"),
        ("--label-separator", ""),
    ],
)
def test_a_value_out_of_range_is_a_usage_error(
    finetuning: Finetuning, options: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        finetuning.run(*options)
    assert ended.value.code == 2
    assert options[0] in capsys.readouterr().err


def test_an_existing_output_is_kept_without_force(finetuning: Finetuning, capsys: pytest.CaptureFixture[str]) -> None:
    finetuning.output.mkdir()
    assert finetuning.run() == 1
    assert "exists: choose another --output, or replace it with --force" in capsys.readouterr().err


def test_an_interrupted_training_is_kept_without_force(
    finetuning: Finetuning, capsys: pytest.CaptureFixture[str]
) -> None:
    finetuning.output.with_name("news.training").mkdir()
    assert finetuning.run() == 1
    assert "news.training has an interrupted training: continue it with --resume" in capsys.readouterr().err


def test_a_training_in_use_is_left_alone(finetuning: Finetuning, capsys: pytest.CaptureFixture[str]) -> None:
    folder = finetuning.output.with_name("news.training")
    folder.mkdir()
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert finetuning.run("--resume") == 1
    assert capsys.readouterr().err == f"finetune: another process is training in {folder}; wait for its end\n"
    assert folder.is_dir()


def test_without_pytorch_the_sentence_says_how_to_install_it(
    finetuning: Finetuning, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TORCH_PYTHON", "/nowhere/python")
    assert finetuning.run() == 1
    assert "PyTorch is not installed: cannot run /nowhere/python" in capsys.readouterr().err
    assert finetuning.left == []


def test_a_process_killed_for_memory_is_explained(
    finetuning: Finetuning, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nkill -9 $$\n")
    python.chmod(0o755)
    monkeypatch.setenv("TORCH_PYTHON", str(python))
    assert finetuning.run() == 1
    assert "the training process was killed, most likely because the machine has no more memory" in (
        capsys.readouterr().err
    )
    assert finetuning.left == ["python"]


@pytest.fixture
def prepared(finetuning: Finetuning, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Return the training folder that the process with PyTorch receives."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\ncp -r "$3" "{tmp_path}/prepared"\nexit 1\n')
    python.chmod(0o755)
    monkeypatch.setenv("TORCH_PYTHON", str(python))

    def prepare(*options: str) -> Path:
        assert finetuning.run(*options) == 1
        assert not finetuning.output.with_name("news.training").exists()
        return tmp_path / "prepared"

    return prepare


def test_the_new_checkpoints_configuration(prepared: Callable[..., Path]) -> None:
    folder = prepared("--layers", "1", "--hidden-dropout", "0.2", "--pooling", "mean")
    config = json.loads((folder / "result/config.json").read_text(encoding="utf-8"))
    assert config["architectures"] == ["BertForSequenceClassification"]
    assert list(config["id2label"].items()) == [("0", "诗"), ("1", "话")]
    assert list(config["label2id"].items()) == [("诗", 0), ("话", 1)]
    assert config["problem_type"] == "single_label_classification"
    assert config["classifier_pooling"] == "mean"
    assert (config["num_hidden_layers"], config["hidden_dropout_prob"]) == (1, 0.2)
    assert config["dtype"] == "float32"
    assert "classifier_text_pairs" not in config
    assert (folder / "result/vocab.txt").read_bytes() == (TINY / "vocab.txt").read_bytes()
    assert (folder / "result/tokenizer_config.json").read_bytes() == (TINY / "tokenizer_config.json").read_bytes()


def test_only_the_first_layers_are_kept(prepared: Callable[..., Path]) -> None:
    weights = load_file(prepared("--layers", "1") / "initial.safetensors")
    original = load_file(TINY / "model.safetensors")
    kept = {name for name in original if name.startswith("bert.") and ".layer.1." not in name}
    assert weights.keys() == kept  # with the pooler
    assert all((weights[name] == original[name]).all() for name in kept)


def test_the_mean_does_not_start_from_a_pooler_of_cls(prepared: Callable[..., Path]) -> None:
    assert not [name for name in load_file(prepared("--pooling", "mean") / "initial.safetensors") if "pooler" in name]


def test_long_and_repeated_texts_are_reported(
    finetuning: Finetuning, prepared: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    lines = finetuning.train.read_text(encoding="utf-8").splitlines()
    finetuning.dev.write_text("\n".join([lines[0], *lines[3:5], "春眠不觉晓处闻啼鸟\t诗"]) + "\n", encoding="utf-8")
    prepared("--max-length", "10")
    printed = capsys.readouterr().out
    assert f"Truncated 1 texts of {finetuning.dev} to 10 tokens (--max-length); the longest, line 4, has 11." in printed
    assert f"Warning: 2 of the 3 texts of {finetuning.dev} are in {finetuning.train} too." in printed


def test_lower_case_is_recorded(finetuning: Finetuning, prepared: Callable[..., Path], tmp_path: Path) -> None:
    finetuning.model = Path(shutil.copytree(TINY, tmp_path / "cased"))
    (finetuning.model / "tokenizer_config.json").unlink()
    folder = prepared("--no-lower-case")
    settings = json.loads((folder / "result/tokenizer_config.json").read_text(encoding="utf-8"))
    assert settings["do_lower_case"] is False
    assert settings["model_max_length"] == 64
