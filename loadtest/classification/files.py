"""Make the classifier that the systems serve."""

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from loadtest.bench.checkpoint import ensure_checkpoint
from loadtest.bench.errors import BenchError
from loadtest.processes import ROOT
from loadtest.random_checkpoint import write_random_checkpoint

NAME = "classifier"
_LABELS = 10


@dataclass(frozen=True, slots=True)
class Files:
    """The served classifier.

    Attributes:
        checkpoint: the folder that transformers reads.
        servable: the folder with its exported version.
        language_model: the folder with an exported masked language model, which every gateway has.
    """

    checkpoint: Path
    servable: Path
    language_model: Path


def prepare(folder: Path, model: Path | None, language_model: Path) -> Files:
    """Return the files in ``folder``, making missing ones.

    Args:
        folder: where they are kept.
        model: the classifier's checkpoint; None makes one of bert-base-chinese's size with random weights.
        language_model: the folder of an exported masked language model.

    Raises:
        BenchError: the export failed; its messages are on standard error.
    """
    checkpoint = model or _random_classifier(folder)
    servable = folder / "models" / NAME
    if not (servable / "1" / "manifest.json").is_file():
        output = ("--name", NAME, "--version", "1", "--output", str(servable.parent))
        command = [sys.executable, "-m", "export", "--model", str(checkpoint), *output]
        if subprocess.run(command, cwd=ROOT, check=False).returncode:  # noqa: S603 - our own words
            msg = "python -m export failed"
            raise BenchError(msg)
    if not any(language_model.glob("*/manifest.json")):
        msg = f"{language_model} has no exported version; run `make export` first, or give --language-model"
        raise BenchError(msg)
    return Files(checkpoint, servable, language_model)


def _random_classifier(folder: Path) -> Path:
    """Return a classifier of bert-base-chinese's size, writing it if missing."""
    output = folder / "checkpoint"
    if (output / "model.safetensors").is_file():
        return output
    base = ensure_checkpoint(folder / "base")
    labels = [f"label {number}" for number in range(_LABELS)]
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    config |= {
        "architectures": ["BertForSequenceClassification"],
        "problem_type": "single_label_classification",
        "id2label": {str(number): label for number, label in enumerate(labels)},
        "label2id": {label: number for number, label in enumerate(labels)},
    }
    with tempfile.TemporaryDirectory() as like:
        for name in ("vocab.txt", "tokenizer_config.json"):
            (Path(like) / name).write_bytes((base / name).read_bytes())
        (Path(like) / "config.json").write_text(json.dumps(config), encoding="utf-8")
        write_random_checkpoint(Path(like), output)
    return output
