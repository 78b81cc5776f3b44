"""Turn sample text into the token ids that an export reads: whole, joined to long lines, with hidden tokens."""

import contextlib
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
"""How many sentences are joined to long lines."""

COMPARED = 64
"""How many sentences are kept to measure the light file."""

JOINED_HIDDEN = 0.3
"""How many tokens of a long line are hidden: the head sees the masks of these lines alone."""

HIDDEN_SHARE = 0.15
"""How many of a line's tokens are hidden, as in BERT's own training."""

Ids = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Hidden:
    """A line with some of its tokens replaced by [MASK].

    Attributes:
        ids: the line's tokens as the model reads them [S].
        positions: where the masks are [M].
        tokens: what was there [M].
    """

    ids: Ids
    positions: Ids
    tokens: Ids

    @property
    def masks_first(self) -> Ids:
        """All positions of the line, those of the masks first."""
        others = np.setdiff1d(np.arange(self.ids.size, dtype=np.int32), self.positions)
        return np.concatenate([self.positions, others])


@dataclass(frozen=True, slots=True)
class SampleLines:
    """The sample text of an export, dealt out.

    Attributes:
        whole: sentences; the whitening is fitted to them unless there are ``own``, and the integers are.
        own: sentences of the user's text, which the whitening is fitted to.
        joined: lines of the longest input; the integers are fitted to them, for all positions and for the head.
        compared: lines that measure the light file, which is fitted to none of them.
    """

    whole: Sequence[Ids]
    own: Sequence[Ids] | None
    joined: Sequence[Hidden]
    compared: Sequence[Hidden]

    @classmethod
    def read(cls, checkpoint: Checkpoint, text: SampleText) -> "SampleLines":
        """Tokenize the sample that ships and, if it is another one, the text for the whitening.

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
    """Yield lines as this checkpoint's tokenizer cuts them, without those longer than it reads.

    Args:
        checkpoint: whose tokenizer.
        lines: of text.
        masks: leave out lines without a [MASK] too.
    """
    tokenizer = Tokenizer(Vocabulary.parse("\n".join(checkpoint.vocabulary).encode()), checkpoint.tokenizer)
    for line in lines:
        with contextlib.suppress(InputError):
            yield tokenizer.encode(line, masks=masks)


def token_ids(checkpoint: Checkpoint, lines: Iterable[str]) -> list[Ids]:
    """Return the token ids of the lines that the checkpoint can read."""
    return [np.array(line.input_ids, np.int32) for line in encode_lines(checkpoint, lines, masks=False)]


def join(lines: Sequence[Ids], longest: int) -> list[Ids]:
    """Join lines to as few as possible that are no longer than the longest input: all positions are needed."""
    joined = [lines[0]] if lines else []
    for line in lines[1:]:
        if joined[-1].size + line.size - 2 <= longest:
            joined[-1] = np.concatenate([joined[-1][:-1], line[1:]])  # without the [SEP] and the [CLS] in between
        else:
            joined.append(line)
    return joined


def hide(
    lines: Iterable[Ids],
    checkpoint: Checkpoint,
    *,
    share: float = HIDDEN_SHARE,
    unknown: bool = False,
    seed: int = 0,
) -> Iterator[Hidden]:
    """Hide tokens of each line that is long enough.

    Args:
        lines: token ids.
        checkpoint: whose vocabulary; special tokens have the lowest ids, up to [MASK]'s, and are not hidden.
        share: how many of its tokens.
        unknown: hide [UNK] too, and one token at least.
        seed: which tokens.
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
