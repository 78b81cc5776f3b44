"""Tokenize, join and mask the sample text of an export."""

import contextlib
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from bert_mlm_client.errors import InputError
from bert_mlm_client.tokens import Encoded, Tokenizer
from bert_mlm_client.vocabulary import Vocabulary
from numpy.typing import NDArray

from export.checkpoint import Checkpoint
from export.errors import CheckpointError, SampleError
from export.whitening import SAMPLE, SENTENCES, SampleText, read_sample

JOINED = 64
"""The number of sentences that are joined to long lines."""

COMPARED = 64
"""The number of sentences that are held out to measure the light file."""

JOINED_HIDDEN = 0.3
"""The share of masked tokens in a long line. Only these masks calibrate the head."""

HIDDEN_SHARE = 0.15
"""The share of masked tokens in other lines, as in BERT's pretraining."""

Ids = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Hidden:
    """A line with some of its tokens replaced by [MASK].

    Attributes:
        ids: the line's token ids with masks [S].
        positions: the positions of the masks [M].
        tokens: the original tokens at the masks [M].
    """

    ids: Ids
    positions: Ids
    tokens: Ids

    @property
    def original(self) -> Ids:
        """The line's token ids without masks [S]."""
        ids = self.ids.copy()
        ids[self.positions] = self.tokens
        return ids

    @property
    def masks_first(self) -> Ids:
        """All positions of the line, the masks first."""
        others = np.setdiff1d(np.arange(self.ids.size, dtype=np.int32), self.positions)
        return np.concatenate([self.positions, others])


@dataclass(frozen=True, slots=True)
class SampleLines:
    """The sample text of an export, split by use.

    Attributes:
        whole: sentences that calibrate the integers, and the whitening unless there are ``own``.
        own: sentences of the user's text, which calibrate the whitening.
        joined: lines of maximum length, which calibrate the integers at all positions and in the head.
        compared: held-out lines to measure the light file.
    """

    whole: Sequence[Ids]
    own: Sequence[Ids] | None
    joined: Sequence[Hidden]
    compared: Sequence[Hidden]

    @classmethod
    def read(cls, checkpoint: Checkpoint, text: SampleText) -> "SampleLines":
        """Tokenize the built-in sample and the user's text, if any.

        Raises:
            CheckpointError: the checkpoint's inputs are too short for the sample.
            SampleError: the checkpoint can read too few sentences of the text.
        """
        sample = read_sample(SAMPLE)
        every = sample.sentences
        longest = checkpoint.tokenizer.max_length
        whole = token_ids(checkpoint, every[0::4][:SENTENCES])
        joined = join(token_ids(checkpoint, every[1::4][:JOINED]), longest)
        compared = token_ids(checkpoint, every[2::4][:COMPARED])
        if len({line.tobytes() for line in whole}) <= 1 or not joined:
            msg = (
                f"the checkpoint reads {longest} tokens at most, shorter than the sentences that an export is fitted "
                "to: raise model_max_length in tokenizer_config.json, or max_position_embeddings in config.json"
            )
            raise CheckpointError(msg)
        own = None if text.digest == sample.digest else _own_lines(checkpoint, text)
        return cls(
            whole,
            own,
            list(hide(joined, checkpoint, share=JOINED_HIDDEN, unknown=True)),
            list(hide(compared, checkpoint)),
        )


def _own_lines(checkpoint: Checkpoint, text: SampleText) -> list[Ids]:
    lines = token_ids(checkpoint, text.sentences)
    different = len({line.tobytes() for line in lines})
    if different <= 1:
        msg = (
            f"the text for the whitening has {different} sentence{'s' * (not different)} that the checkpoint can tell "
            f"apart and that fit into its {checkpoint.tokenizer.max_length} tokens (model_max_length): add sentences"
        )
        raise SampleError(msg)
    return lines[:: math.ceil(len(lines) / SENTENCES)]


def encode_lines(checkpoint: Checkpoint, lines: Iterable[str], *, masks: bool = True) -> Iterator[Encoded]:
    """Tokenize lines and skip those that are too long.

    Args:
        checkpoint: the checkpoint with the tokenizer.
        lines: lines of text.
        masks: skip lines without a [MASK] too.
    """
    tokenizer = Tokenizer(Vocabulary.parse("\n".join(checkpoint.vocabulary).encode()), checkpoint.tokenizer)
    for line in lines:
        with contextlib.suppress(InputError):
            yield tokenizer.encode(line, masks=masks)


def token_ids(checkpoint: Checkpoint, lines: Iterable[str]) -> list[Ids]:
    """Return the token ids of all readable lines."""
    return [np.array(line.input_ids, np.int32) for line in encode_lines(checkpoint, lines, masks=False)]


def join(lines: Sequence[Ids], longest: int) -> list[Ids]:
    """Join lines to maximum length, to cover all positions."""
    joined = [lines[0]] if lines else []
    for line in lines[1:]:
        if joined[-1].size + line.size - 2 <= longest:
            joined[-1] = np.concatenate([joined[-1][:-1], line[1:]])  # drop the inner [SEP] and [CLS]
        else:
            joined.append(line)
    return joined


def pair_up(lines: Sequence[Ids], longest: int) -> list[Ids]:
    """Join each line with the next as a text pair.

    Pairs longer than ``longest`` are dropped.
    """
    pairs = [np.concatenate([one, other[1:]]) for one, other in itertools.pairwise(lines)]
    return [pair for pair in pairs if pair.size <= longest]


def hide(
    lines: Iterable[Ids],
    checkpoint: Checkpoint,
    *,
    share: float = HIDDEN_SHARE,
    unknown: bool = False,
    seed: int = 0,
) -> Iterator[Hidden]:
    """Mask random tokens of each line that is long enough.

    Args:
        lines: token ids.
        checkpoint: the checkpoint with the vocabulary. Special tokens, with ids up to [MASK]'s, are not masked.
        share: the share of tokens to mask.
        unknown: mask [UNK] too, and at least one token.
        seed: the seed of the random choice.
    """
    mask = checkpoint.vocabulary.index("[MASK]")
    random = np.random.default_rng(seed)
    for ids in lines:
        ordinary = np.arange(1, ids.size - 1) if unknown else np.flatnonzero(ids > mask)
        count = max(round(share * ordinary.size), int(unknown))
        if count:
            positions = np.sort(random.choice(ordinary, count, replace=False)).astype(np.int32)
            masked = ids.copy()
            masked[positions] = mask
            yield Hidden(masked, positions, ids[positions])
