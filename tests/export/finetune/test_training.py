"""Train the tests' small checkpoint with PyTorch."""

import csv
import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import load_file

from export.checkpoint import ClassifierConfig, load_checkpoint
from export.reference import torch_python
from tests.conftest import TINY
from tests.export.finetune.conftest import Finetuning, Write, rows, table
from tests.support.environment import ROOT, environment
from tests.support.processes import ending
from tests.torch_environment import needs_torch

pytestmark = [needs_torch, pytest.mark.usefixtures("warm_torch")]

PUBLISHED = Path(__file__).parents[1] / "published"
HEAD = ("bert.pooler.dense.weight", "bert.pooler.dense.bias", "classifier.weight", "classifier.bias")

LOGITS = """
import json, sys, torch
from transformers import AutoTokenizer, BertForSequenceClassification
folder, texts = sys.argv[1], json.load(open(sys.argv[2], encoding="utf-8"))
model, info = BertForSequenceClassification.from_pretrained(folder, output_loading_info=True)
tokenizer = AutoTokenizer.from_pretrained(folder)
with torch.inference_mode():
    logits = [model.eval()(**tokenizer(*text, return_tensors="pt")).logits[0].tolist() for text in texts]
missing = {name: sorted(info[name]) for name in ("missing_keys", "unexpected_keys")}
print(json.dumps({"logits": logits, "dtype": str(model.dtype), "names": model.config.id2label, **missing}))
"""
"""Print what transformers computes for each text or pair."""

POOLING = """
import json, sys, torch
from pathlib import Path
from export.finetune.trainer.model import build_classifier
ids = torch.tensor([[2, 40, 41, 42, 43, 3], [2, 50, 51, 3, 0, 0]])
answers = {}
for pooling in ("cls", "mean"):
    model = build_classifier(Path(sys.argv[1]) / pooling, None, seed=1).eval()
    with torch.inference_mode():
        logits = model(ids, (ids > 0).long(), None)
        states = [model.bert(row[row > 0][None]).last_hidden_state[0] for row in ids]
        pooled = torch.stack([state[0] if pooling == "cls" else state.mean(0) for state in states])
        expected = model.classifier(torch.tanh(model.bert.pooler.dense(pooled)))
    answers[pooling] = [logits.tolist(), expected.tolist()]
print(json.dumps(answers))
"""
"""Print the logits of texts in a batch, and those computed from each text alone."""


def ask_transformers(folder: Path, texts: list[list[str]], scratch: Path) -> dict[str, Any]:
    (scratch / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    command = [str(torch_python()), "-c", LOGITS, str(folder), str(scratch / "texts.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment())
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def weights(folder: Path) -> dict[str, NDArray[Any]]:
    found: dict[str, NDArray[Any]] = load_file(folder / "model.safetensors")
    return found


def assert_same_weights(one: Path, other: Path) -> None:
    assert (one / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()


def dev_texts(run: Finetuning) -> list[list[str]]:
    with run.dev.open(encoding="utf-8") as file:
        return [row[:1] for row in csv.reader(file, "excel-tab")][1:]


def test_the_result_is_a_checkpoint_that_learnt(
    finetuning: Finetuning, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert finetuning.run("--epochs", "6", "--from-scratch", "--learning-rate", "0.003") == 0
    printed = capfd.readouterr()
    assert printed.err == ""
    assert "Training 0.0 million weights on the CPU with 1 thread in float32: 48 steps of 8 texts" in printed.out
    assert "Epoch 6 of 6: loss " in printed.out
    assert finetuning.left == ["news"]
    assert sorted(path.name for path in finetuning.output.iterdir()) == [
        "config.json",
        "confusion_matrix.svg",
        "metrics.json",
        "mistakes.tsv",
        "model.safetensors",
        "tokenizer_config.json",
        "vocab.txt",
    ]
    answer = ask_transformers(finetuning.output, dev_texts(finetuning), tmp_path)
    assert (answer["missing_keys"], answer["unexpected_keys"], answer["dtype"]) == ([], [], "torch.float32")
    with finetuning.dev.open(encoding="utf-8") as file:
        labels = [row[1] for row in csv.reader(file, "excel-tab")][1:]
    predicted = [answer["names"][str(int(np.argmax(logits)))] for logits in answer["logits"]]
    accuracy = np.mean([one == other for one, other in zip(predicted, labels, strict=True)])
    metrics = read(finetuning.output / "metrics.json")
    assert metrics["dev"]["accuracy"] == pytest.approx(accuracy)
    ids = {name: int(number) for number, name in answer["names"].items()}
    log_probabilities = np.array(answer["logits"]) - np.logaddexp.reduce(answer["logits"], axis=1, keepdims=True)
    loss = -np.mean([row[ids[label]] for row, label in zip(log_probabilities, labels, strict=True)])
    assert metrics["dev_loss"] == pytest.approx(loss, abs=1e-5)
    assert accuracy >= 0.9
    assert f"accuracy {accuracy:.4f}" in printed.out.splitlines()[-1]
    assert np.sum(metrics["dev"]["confusion"]) == len(labels)


def test_the_export_reads_the_result_and_it_can_be_trained_again(finetuning: Finetuning, tmp_path: Path) -> None:
    assert finetuning.run("--epochs", "1", "--pooling", "mean") == 0
    result = load_checkpoint(finetuning.output)
    assert result.classifier == ClassifierConfig(("诗", "话"), pooling="mean")
    original = load_checkpoint(TINY)
    assert (result.tokenizer, result.vocabulary) == (original.tokenizer, original.vocabulary)

    finetuning.model, finetuning.output = finetuning.output, tmp_path / "again"
    assert finetuning.run("--epochs", "1", "--learning-rate", "1e-9") == 0
    again = load_checkpoint(finetuning.output)
    assert again.classifier == ClassifierConfig(("诗", "话"), pooling="cls")
    name = "bert.encoder.layer.1.output.dense.weight"
    assert again.weights[name] == pytest.approx(result.weights[name], abs=1e-6)


def test_the_command_runs_in_the_environment_of_pytorch_too(finetuning: Finetuning, tmp_path: Path) -> None:
    def run(model: Path, name: str) -> subprocess.CompletedProcess[str]:
        finetuning.model, finetuning.output = model, tmp_path / name
        command = [str(torch_python()), "-m", "export.finetune", *finetuning.arguments("--epochs", "1")]
        alone = environment(PYTHONPATH="")  # the client is not installed there
        return subprocess.run(command, capture_output=True, text=True, check=False, env=alone, cwd=ROOT)

    done = run(tmp_path / "checkpoint", "one")
    assert (done.returncode, done.stderr) == (0, "")
    done = run(PUBLISHED / "google", "other")
    assert done.returncode == 1
    sentence = r"finetune: \S+ lacks tensorflow; run the command with .venv/bin/python\n"
    assert re.fullmatch(sentence, done.stderr)


def test_mistakes_are_listed_worst_first(finetuning: Finetuning) -> None:
    lines = finetuning.dev.read_text(encoding="utf-8").splitlines()
    swapped = [
        f"{text}\t{'话' if label == '诗' else '诗'}" for text, label in (line.split("\t") for line in lines[1:5])
    ]
    finetuning.dev.write_text("\n".join([lines[0], *swapped, *lines[5:]]) + "\n", encoding="utf-8")
    assert finetuning.run("--epochs", "6", "--from-scratch", "--learning-rate", "0.003") == 0
    with (finetuning.output / "mistakes.tsv").open(encoding="utf-8") as file:
        mistakes = list(csv.DictReader(file, dialect="excel-tab"))
    metrics = read(finetuning.output / "metrics.json")
    assert len(mistakes) == round((1 - metrics["dev"]["accuracy"]) * 20)
    for mistake in mistakes:
        assert lines[int(mistake["line"]) - 1].split("\t")[0] == mistake["text"]
        assert mistake["label"] != mistake["predicted"]
    likely = [float(mistake["probability"]) for mistake in mistakes]
    assert likely == sorted(likely)
    assert likely[-1] < 0.5


def test_the_hash_seed_changes_neither_labels_nor_weights(finetuning: Finetuning) -> None:
    outputs = []
    for seed in ("1", "2"):
        finetuning.output = finetuning.output.with_name(f"news{seed}")
        command = [sys.executable, "-m", "export.finetune", *finetuning.arguments("--epochs", "1")]
        subprocess.run(command, env=environment(PYTHONHASHSEED=seed), capture_output=True, check=True, cwd=ROOT)
        outputs.append(finetuning.output)
    assert (outputs[0] / "config.json").read_bytes() == (outputs[1] / "config.json").read_bytes()
    assert_same_weights(*outputs)


@pytest.fixture
def dying_python(tmp_path: Path) -> Path:
    """A Python with PyTorch that kills itself after its 29th saved state."""
    program = (
        "import os, runpy, signal, sys; from export.finetune.trainer import state; save, saved = state.save_state, []\n"
        "def dying(*arguments):\n"
        "    save(*arguments); saved.append(1)\n"
        "    len(saved) < 29 or os.kill(os.getpid(), signal.SIGKILL)\n"
        "state.save_state = dying; sys.argv = sys.argv[2:]; runpy.run_module(sys.argv[0], run_name='__main__')\n"
    )
    (tmp_path / "dying.py").write_text(program)
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nexec '{torch_python()}' -c 'exec(open(\"{tmp_path}/dying.py\").read())' \"$@\"\n")
    python.chmod(0o755)
    return python


def test_a_killed_training_resumes_to_the_same_weights(
    finetuning: Finetuning, dying_python: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    # With dropout and hidden characters, so that the random generators must continue too.
    randomness = ("--mask-characters", "0.1", "--hidden-dropout", "0.1")
    options = ("--epochs", "6", "--save-every", "0", "--patience", "0", *randomness)
    whole = finetuning.output.with_name("whole")
    output, finetuning.output = finetuning.output, whole
    assert finetuning.run(*options) == 0
    finetuning.output = output

    with monkeypatch.context() as patch:
        patch.setenv("TORCH_PYTHON", str(dying_python))
        assert finetuning.run(*options) == 1
    assert "the training process was killed" in capfd.readouterr().err
    state = output.with_name("news.training") / "state.safetensors"
    with safe_open(state, "numpy") as file:
        step = json.loads(file.metadata()["progress"])["step"]
    assert 0.5 < step / 48 < 0.6  # a state per step, and one more per epoch
    assert not output.exists()

    assert finetuning.run(*options, "--resume") == 0
    assert "Resuming the training in " in capfd.readouterr().out
    assert_same_weights(output, whole)
    first, second = (read(folder / "metrics.json") for folder in (output, whole))
    assert first["dev"] == second["dev"]
    for one, other in zip(first["epochs"], second["epochs"], strict=True):
        assert {**one, "seconds": 0} == {**other, "seconds": 0}


def test_a_resumed_training_must_have_the_same_options(
    finetuning: Finetuning, dying_python: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TORCH_PYTHON", str(dying_python))
    options = ("--save-every", "0", "--patience", "0")
    assert finetuning.run("--epochs", "6", *options) == 1
    capfd.readouterr()
    assert finetuning.run("--epochs", "7", *options, "--resume") == 1
    assert "was started with options.epochs = 6, not 7: repeat its options" in capfd.readouterr().err
    finetuning.dev.write_text(table([("text", "label"), *rows(8)]), encoding="utf-8")
    assert finetuning.run("--epochs", "6", *options, "--resume") == 1
    assert "was started with texts.dev.sha256 = " in capfd.readouterr().err


def test_a_signal_saves_the_state_and_ends(finetuning: Finetuning) -> None:
    command = [sys.executable, "-m", "export.finetune", *finetuning.arguments("--epochs", "100000", "--patience", "0")]
    with ending() as started:
        process = subprocess.Popen(
            command, env=environment(), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout is not None
        while not process.stdout.readline().startswith("Epoch 1 "):
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate()
    assert process.returncode == 130
    assert errors == "finetune: interrupted; the same command with --resume continues\n"
    with safe_open(finetuning.output.with_name("news.training") / "state.safetensors", "numpy") as file:
        assert json.loads(file.metadata()["progress"])["step"] >= 8
    assert not finetuning.output.exists()


def test_force_replaces_a_result(finetuning: Finetuning) -> None:
    assert finetuning.run("--epochs", "1") == 0
    before = (finetuning.output / "model.safetensors").read_bytes()
    assert finetuning.run("--epochs", "1", "--seed", "2", "--force") == 0
    assert (finetuning.output / "model.safetensors").read_bytes() != before
    assert finetuning.left == ["news"]


def test_training_stops_early_and_keeps_the_best_epoch(
    finetuning: Finetuning, capfd: pytest.CaptureFixture[str]
) -> None:
    assert finetuning.run("--epochs", "9", "--learning-rate", "1", "--patience", "2") == 0
    metrics = read(finetuning.output / "metrics.json")
    best, epochs = metrics["best_epoch"], metrics["epochs"]
    assert len(epochs) == best + 2 < 9
    assert metrics["steps"] == len(epochs) * 8
    key = [(epoch["macro_f1"], -epoch["dev_loss"]) for epoch in epochs]
    assert key[best - 1] == max(key)
    assert metrics["dev"]["macro_f1"] == pytest.approx(epochs[best - 1]["macro_f1"])
    assert f"(epoch {best})" in capfd.readouterr().out


def test_predictions_of_one_class_are_a_warning(
    finetuning: Finetuning, write: Write, capfd: pytest.CaptureFixture[str]
) -> None:
    weights = write("weights.json", '{"诗": 1, "话": 1e-6}')
    assert finetuning.run("--epochs", "2", "--class-weights", str(weights), "--from-scratch") == 0
    assert "Warning: every text of dev is predicted as 诗" in capfd.readouterr().out


def test_a_loss_that_is_not_finite_ends_the_training(
    finetuning: Finetuning, write: Write, capfd: pytest.CaptureFixture[str]
) -> None:
    weights = write("weights.json", '{"诗": 1e300, "话": 1}')
    assert finetuning.run("--class-weights", str(weights)) == 1
    assert capfd.readouterr().err == "finetune: the loss is not finite after 0 steps; lower --learning-rate\n"
    assert finetuning.left == ["weights.json"]


def test_out_of_memory_is_one_sentence(
    finetuning: Finetuning, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    program = (
        "import resource, runpy, sys; import export.finetune.trainer.loop\n"
        "pages = int(open('/proc/self/statm').read().split()[0])\n"
        "limit = pages * resource.getpagesize() + (200 << 20)\n"
        "resource.setrlimit(resource.RLIMIT_AS, (limit, limit)); sys.argv = sys.argv[2:]\n"
        "runpy.run_module(sys.argv[0], run_name='__main__')\n"
    )
    (tmp_path / "limited.py").write_text(program)
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nexec '{torch_python()}' -c 'exec(open(\"{tmp_path}/limited.py\").read())' \"$@\"\n")
    python.chmod(0o755)
    monkeypatch.setenv("TORCH_PYTHON", str(python))
    long_texts = [(text * 15, label) for text, label in rows(4096)]
    finetuning.train.write_text(table([("text", "label"), *long_texts]), encoding="utf-8")
    assert finetuning.run("--batch-size", "4096") == 1
    sentence = (
        "finetune: out of memory; split batches with --accumulate 2 or more, or lower --batch-size or --max-length\n"
    )
    assert capfd.readouterr().err == sentence
    assert finetuning.left == ["limited.py", "python"]


def no_dropout(folder: Path) -> Path:
    """Copy the small checkpoint without dropout."""
    folder.mkdir()
    for path in TINY.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    config = read(folder / "config.json") | {"attention_probs_dropout_prob": 0.0, "hidden_dropout_prob": 0.0}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_accumulation_changes_no_more_than_rounding(finetuning: Finetuning, tmp_path: Path, write: Write) -> None:
    finetuning.model = no_dropout(tmp_path / "plain")
    balance = write("weights.json", '{"诗": 3, "话": 0.5}')
    options = (
        "--epochs",
        "1",
        "--classifier-dropout",
        "0",
        "--class-weights",
        str(balance),
        "--label-smoothing",
        "0.1",
    )
    outputs = []
    for parts in ("1", "3"):
        finetuning.output = tmp_path / f"news{parts}"
        assert finetuning.run(*options, "--accumulate", parts) == 0
        outputs.append(weights(finetuning.output))
    assert outputs[0]["classifier.weight"] == pytest.approx(outputs[1]["classifier.weight"], abs=1e-5)
    original = load_file(TINY / "model.safetensors")["bert.pooler.dense.weight"]
    assert np.abs(outputs[0]["bert.pooler.dense.weight"] - original).max() > 1e-3


def test_text_pairs_have_token_types(finetuning: Finetuning, tmp_path: Path) -> None:
    finetuning.model = no_dropout(tmp_path / "plain")
    lines = [("one", "two", "label"), *((text, text[::-1], label) for text, label in rows(32))]
    for path in (finetuning.train, finetuning.dev):
        path.write_text(table(lines), encoding="utf-8")
    columns = ("--text-column", "one", "--text-pair-column", "two")
    assert finetuning.run(*columns, "--epochs", "1") == 0
    assert read(finetuning.output / "config.json")["classifier_text_pairs"] is True
    answer = ask_transformers(finetuning.output, [[one, two] for one, two, _ in lines[1:]], tmp_path)
    predicted = [answer["names"][str(int(np.argmax(logits)))] for logits in answer["logits"]]
    accuracy = np.mean([one == row[2] for one, row in zip(predicted, lines[1:], strict=True)])
    assert read(finetuning.output / "metrics.json")["dev"]["accuracy"] == pytest.approx(accuracy)


def test_several_labels_a_text(finetuning: Finetuning, write: Write) -> None:
    lines = [
        json.dumps({"text": one + other, "label": ["诗", "话"]})
        if number % 3
        else json.dumps({"text": one, "label": ["诗"]})
        for number, ((one, _), (other, _)) in enumerate(zip(rows(64)[::2], rows(64)[1::2], strict=True))
    ]
    finetuning.train = write("train.jsonl", "\n".join(lines) + "\n")
    finetuning.dev = write("dev.jsonl", "\n".join(lines[:9]) + "\n")
    options = ("--epochs", "9", "--from-scratch", "--learning-rate", "0.006", "--class-weights", "balanced")
    assert finetuning.run("--multi-label", *options) == 0
    assert read(finetuning.output / "config.json")["problem_type"] == "multi_label_classification"
    dev = read(finetuning.output / "metrics.json")["dev"]
    assert len(dev["outcomes"]) == 2
    assert dev["outcomes"][0] == [9, 0, 0, 0]  # every text is a poem
    assert dev["micro_f1"] > 0.9


@pytest.mark.parametrize("name", ["google", "keras-pretraining"])
def test_tensorflows_checkpoints_are_a_start_too(name: str, finetuning: Finetuning) -> None:
    finetuning.model = PUBLISHED / name
    assert finetuning.run("--epochs", "1", "--learning-rate", "1e-9") == 0
    found, original = weights(finetuning.output), load_checkpoint(PUBLISHED / name).weights
    encoder = [name for name in original if name.startswith("bert.")]
    assert found.keys() == {*encoder, *HEAD}
    assert {tensor.dtype for tensor in found.values()} == {np.dtype(np.float32)}
    assert all(found[name] == pytest.approx(original[name], abs=1e-6) for name in encoder)
    assert read(finetuning.output / "config.json")["model_type"] == "bert"


def test_random_weights_and_fewer_layers(finetuning: Finetuning) -> None:
    assert finetuning.run("--epochs", "1", "--learning-rate", "1e-9", "--from-scratch", "--layers", "1") == 0
    found, original = weights(finetuning.output), load_file(TINY / "model.safetensors")
    name = "bert.encoder.layer.0.attention.self.query.weight"
    assert np.abs(found[name] - original[name]).max() > 0.1
    assert not [name for name in found if ".layer.1." in name]


def test_the_pooling_is_over_all_tokens_and_no_padding(tmp_path: Path) -> None:
    config = read(TINY / "config.json") | {"classifier_dropout": 0.0, "id2label": {"0": "a", "1": "b", "2": "c"}}
    for pooling in ("cls", "mean"):
        (tmp_path / pooling).write_text(json.dumps({**config, "classifier_pooling": pooling}))
    command = [str(torch_python()), "-c", POOLING, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment())
    for pooling, (logits, expected) in json.loads(done.stdout).items():
        assert np.array(logits) == pytest.approx(np.array(expected), abs=1e-5), pooling
