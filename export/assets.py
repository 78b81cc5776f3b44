"""Write a version's assets: the config, and a tokenizer that transformers loads."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from export.checkpoint import Checkpoint


def write_assets(assets: Path, source: Path, checkpoint: Checkpoint) -> None:
    """Write ``config.json``, ``vocab.txt`` and ``tokenizer_config.json``.

    Args:
        assets: the folder, which need not exist.
        source: the checkpoint's folder.
        checkpoint: what was read from it.
    """
    assets.mkdir(exist_ok=True)
    shutil.copyfile(source / "config.json", assets / "config.json")
    (assets / "vocab.txt").write_text("\n".join(checkpoint.vocabulary) + "\n", encoding="utf-8", newline="\n")
    settings = json.dumps(_tokenizer_config(checkpoint), indent=2, ensure_ascii=False)
    (assets / "tokenizer_config.json").write_text(settings + "\n", encoding="utf-8")


def _tokenizer_config(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return the settings under Hugging Face's names, whichever of its files they came from."""
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
