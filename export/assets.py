"""Write the configuration and the tokenizer as assets."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from export.checkpoint import Checkpoint
from export.forms import choose_config
from export.json_file import read_json


def write_assets(assets: Path, source: Path, checkpoint: Checkpoint) -> None:
    """Write ``config.json``, ``vocab.txt`` and ``tokenizer_config.json``.

    Args:
        assets: the folder, which is created if needed.
        source: the checkpoint's folder.
        checkpoint: the checkpoint that was read from it.
    """
    assets.mkdir(exist_ok=True)
    config = read_json(source / choose_config({path.name for path in source.iterdir()}, str(source)))
    _write(assets / "config.json", {"model_type": "bert", **config})  # Google's bert_config.json has no model_type
    (assets / "vocab.txt").write_text("\n".join(checkpoint.vocabulary) + "\n", encoding="utf-8", newline="\n")
    _write(assets / "tokenizer_config.json", _tokenizer_config(checkpoint))


def _tokenizer_config(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return the tokenizer's settings in Hugging Face's format."""
    tokenizer = checkpoint.tokenizer
    added = [asdict(token) for token in tokenizer.added_tokens]
    return {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": tokenizer.do_lower_case,
        "strip_accents": tokenizer.strip_accents,
        "tokenize_chinese_chars": tokenizer.tokenize_chinese_chars,
        "model_max_length": tokenizer.max_length,
        "added_tokens_decoder": {str(token.pop("id")): token for token in added},
    }


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
