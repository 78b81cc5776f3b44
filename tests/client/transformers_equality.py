"""Count differences between the client's and transformers' tokenizers.

    PYTHONPATH=client .venv-torch/bin/python -m tests.client.transformers_equality --vocab models/demo FILE…

The options and the strings are those of ``tests.client.tokenizer_equality``. The reference is BertTokenizerFast, then
the folder's own tokenizer.json where it has one.
"""

import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bert_mlm_client.vocabulary import TokenizerConfig

from tests.client import tokenizer_equality as equality

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # messages of transformers at import
    from transformers import AutoTokenizer, BertTokenizerFast


def fast(vocabulary: bytes, config: TokenizerConfig) -> equality.Reference:
    """Return BertTokenizerFast over a vocabulary."""
    tokens = vocabulary.removesuffix(b"\n").decode().split("\n")
    return _cut_by(
        BertTokenizerFast(
            vocab={token: number for number, token in enumerate(tokens)},
            do_lower_case=config.do_lower_case,
            strip_accents=config.strip_accents,
            tokenize_chinese_chars=config.tokenize_chinese_chars,
        )
    )


def published(folder: Path, config: TokenizerConfig) -> equality.Reference:
    """Return transformers' tokenizer for a checkpoint's folder."""
    return _cut_by(
        AutoTokenizer.from_pretrained(str(folder), do_lower_case=config.do_lower_case, local_files_only=True)
    )


def _cut_by(tokenizer: Any) -> equality.Reference:
    def cut(text: str, split_special_tokens: bool) -> equality.Cut:
        encoded = tokenizer(
            text,
            add_special_tokens=False,
            return_offsets_mapping=True,
            split_special_tokens=split_special_tokens,
        )
        return encoded["input_ids"], encoded["offset_mapping"]

    return cut


def main(arguments: Sequence[str]) -> int:
    """Print the comparison; return 1 if anything differs."""
    status = equality.main(arguments, fast)
    folder = Path(arguments[arguments.index("--vocab") + 1])
    if (folder / "tokenizer.json").exists():
        status |= equality.main(arguments, lambda _, config: published(folder, config))
    return status


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
