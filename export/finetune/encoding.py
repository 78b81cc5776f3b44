"""Tokenize labelled text once, before the training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from bert_mlm_client.errors import InputError
from bert_mlm_client.tokens import Tokenizer, check_text
from bert_mlm_client.vocabulary import Vocabulary
from numpy.typing import NDArray

from export.checkpoint import Checkpoint
from export.finetune.errors import LabelledTextError
from export.finetune.examples import Example

_UNLIMITED = 1 << 30  # tokens; truncation is counted here


@dataclass(frozen=True, slots=True)
class EncodedTexts:
    """Token ids of N texts.

    Attributes:
        ids: int32 [T], the ids of all texts in a row, each from [CLS] to [SEP].
        lengths: int64 [N], the number of ids of each text.
        truncated: how many texts were truncated.
        longest: the largest number of ids before truncation.
        longest_line: the line of that text.
    """

    ids: NDArray[np.int32]
    lengths: NDArray[np.int64]
    truncated: int
    longest: int
    longest_line: int

    def arrays(self, split: str) -> Mapping[str, NDArray[Any]]:
        """Return the arrays by name for a file."""
        return {f"{split}.ids": self.ids, f"{split}.lengths": self.lengths}


class TextEncoder:
    """Tokenize texts as the client will.

    Args:
        checkpoint: the checkpoint to fine-tune.
        max_length: tokens per text, [CLS] and [SEP] included.
    """

    def __init__(self, checkpoint: Checkpoint, max_length: int) -> None:
        vocabulary = Vocabulary.parse("\n".join(checkpoint.vocabulary).encode())
        self._whole = Tokenizer(vocabulary, replace(checkpoint.tokenizer, max_length=_UNLIMITED))
        self._truncating = Tokenizer(vocabulary, replace(checkpoint.tokenizer, max_length=max_length))
        self._max_length = max_length

    def encode(self, path: Path, examples: Sequence[Example]) -> EncodedTexts:
        """Tokenize and truncate the texts of a file.

        Raises:
            LabelledTextError: the client would reject a text.
        """
        rows: list[Sequence[int]] = []
        truncated, longest, longest_line = 0, 0, 0
        for example in examples:
            row = self._row(path, example)
            if len(row) > longest:
                longest, longest_line = len(row), example.line
            if len(row) > self._max_length:
                truncated += 1
                row = self._truncating.encode_sequence(example.text, example.pair, truncate=True)
            rows.append(row)
        lengths = np.array([len(row) for row in rows], np.int64)
        flat = np.fromiter((token for row in rows for token in row), np.int32, int(lengths.sum()))
        return EncodedTexts(flat, lengths, truncated, longest, longest_line)

    def _row(self, path: Path, example: Example) -> Sequence[int]:
        try:
            for text in (example.text, example.pair):
                if text is not None:
                    check_text(text, masks=False)
            return self._whole.encode_sequence(example.text, example.pair)
        except InputError as error:
            msg = f"{path}, line {example.line}: {error}"
            raise LabelledTextError(msg) from error
