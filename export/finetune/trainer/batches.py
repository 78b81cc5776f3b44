"""Choose and pad the texts of each step.

Every choice is a function of the seed and the step, so a resumed training repeats it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from export.finetune.plan import Plan

_POOL = 50
"""How many batches are sorted by length together."""

_EVALUATED_TOKENS = 8192
"""Tokens of a batch without gradients."""

_ORDER, _HIDING = 0, 1  # streams of random numbers

Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Texts:
    """The tokenized texts of a file.

    Attributes:
        ids: int32 [T], all token ids in a row.
        starts: int64 [N], the place of each text's first id.
        lengths: int64 [N], the number of its ids.
        targets: int64 label ids [N], or float32 zeros and ones [N, L].
    """

    ids: NDArray[np.int32]
    starts: Ids
    lengths: Ids
    targets: NDArray[Any]

    @classmethod
    def read(cls, path: Path, split: str) -> "Texts":
        """Read the texts of a split."""
        arrays = load_file(path)
        lengths = arrays[f"{split}.lengths"]
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        return cls(arrays[f"{split}.ids"], starts, lengths, arrays[f"{split}.targets"])

    def __len__(self) -> int:
        return len(self.lengths)

    def padded(self, rows: Ids, pad_id: int) -> Ids:
        """Return texts as int64 [len(rows), longest]."""
        lengths, starts = self.lengths[rows], self.starts[rows]
        places = np.arange(int(lengths.max()))
        inside = places < lengths[:, None]
        return np.where(inside, self.ids[np.where(inside, starts[:, None] + places, 0)], pad_id).astype(np.int64)


def training_batches(texts: Texts, plan: Plan, epoch: int) -> list[Ids]:
    """Return the rows of each batch of an epoch.

    The texts of a batch have similar lengths, because padding costs time: texts are shuffled, sorted within pools of
    ``_POOL`` batches, and the batches are shuffled again.
    """
    random = np.random.default_rng([plan.seed, _ORDER, epoch])
    order = random.permutation(len(texts))
    pool = plan.batch_size * _POOL
    batches = []
    for start in range(0, len(order), pool):
        rows = order[start : start + pool]
        rows = rows[np.argsort(texts.lengths[rows], kind="stable")]
        batches += [rows[first : first + plan.batch_size] for first in range(0, len(rows), plan.batch_size)]
    return [batches[number] for number in random.permutation(len(batches))]


def evaluation_batches(texts: Texts) -> Iterator[Ids]:
    """Yield the row indices of batches of similar token count."""
    order = np.argsort(-texts.lengths, kind="stable")
    start = 0
    while start < len(order):
        size = max(1, _EVALUATED_TOKENS // int(texts.lengths[order[start]]))
        yield order[start : start + size]
        start += size


def hide(ids: Ids, plan: Plan, step: int, part: int) -> Ids:
    """Replace a share of the tokens by [MASK]."""
    random = np.random.default_rng([plan.seed, _HIDING, step, part])
    is_special = np.isin(ids, (plan.pad_id, plan.cls_id, plan.sep_id))
    hidden = (random.random(ids.shape) < plan.mask_characters) & ~is_special
    return np.where(hidden, plan.mask_id, ids)


def token_types(ids: Ids, plan: Plan) -> Ids:
    """Return the token types of a batch.

    They are 1 for the tokens after the first [SEP], except padding.
    """
    is_after = np.cumsum(ids == plan.sep_id, axis=1) - (ids == plan.sep_id) > 0
    return np.asarray(is_after & (ids != plan.pad_id), np.int64)
