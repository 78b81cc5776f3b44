"""Write a classifier's configuration and tokenizer files."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from export.checkpoint import Checkpoint
from export.finetune.options import FinetuneOptions
from export.forms import TOKENIZER_FILES, choose_config
from export.json_file import read_json

_DROPPED = ("torch_dtype", "num_labels", "_name_or_path", "classifier_text_pairs")
"""Keys that describe the original alone. ``torch_dtype`` is the old name of ``dtype``."""


def write_model_files(
    folder: Path, source: Path, checkpoint: Checkpoint, labels: Sequence[str], options: FinetuneOptions
) -> None:
    """Write config.json, vocab.txt and the tokenizer's files.

    Args:
        folder: the folder to write to.
        source: the original checkpoint's folder.
        checkpoint: the original checkpoint.
        labels: the labels by id.
        options: the options of the training.
    """
    config = read_json(source / choose_config({path.name for path in source.iterdir()}, str(source)))
    _write_json(folder / "config.json", _classifier_config(config, labels, options))
    for name in (*TOKENIZER_FILES, "tokenizer.json"):
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)
    # transformers 5 saves tokenizer.json alone, but the export's clients need vocab.txt.
    (folder / "vocab.txt").write_text("\n".join(checkpoint.vocabulary) + "\n", encoding="utf-8", newline="\n")
    _complete_tokenizer(folder, checkpoint, options)


def _classifier_config(config: Mapping[str, Any], labels: Sequence[str], options: FinetuneOptions) -> dict[str, Any]:
    """Return the config of BertForSequenceClassification."""
    task = "multi" if options.multi_label else "single"
    changed: dict[str, Any] = {
        "architectures": ["BertForSequenceClassification"],
        "dtype": "float32",
        "problem_type": f"{task}_label_classification",
        "classifier_pooling": options.pooling,
        "classifier_dropout": options.classifier_dropout,
        # Both maps: transformers drops or ignores one alone.
        "id2label": {str(number): label for number, label in enumerate(labels)},
        "label2id": {label: number for number, label in enumerate(labels)},
    }
    if options.columns.pair is not None:
        changed["classifier_text_pairs"] = True
    if options.layers is not None:
        changed["num_hidden_layers"] = options.layers
    if options.hidden_dropout is not None:
        changed["hidden_dropout_prob"] = options.hidden_dropout
    kept = {key: value for key, value in config.items() if key not in _DROPPED}
    return {"model_type": "bert", **kept, **changed}


def _complete_tokenizer(folder: Path, checkpoint: Checkpoint, options: FinetuneOptions) -> None:
    """Write tokenizer_config.json if missing, and apply ``lower_case``."""
    path = folder / "tokenizer_config.json"
    if not path.is_file():
        tokenizer = checkpoint.tokenizer
        settings = {
            "tokenizer_class": "BertTokenizer",
            "do_lower_case": tokenizer.do_lower_case,
            "strip_accents": tokenizer.strip_accents,
            "tokenize_chinese_chars": tokenizer.tokenize_chinese_chars,
            "model_max_length": tokenizer.max_length,
        }
        _write_json(path, settings)
    if options.lower_case is None:
        return
    _write_json(path, read_json(path) | {"do_lower_case": options.lower_case})
    backend = folder / "tokenizer.json"
    if backend.is_file():
        content = read_json(backend)
        if isinstance(content.get("normalizer"), dict):
            content["normalizer"]["lowercase"] = options.lower_case
            _write_json(backend, content)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
