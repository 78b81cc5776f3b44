"""Pack texts into training batches without attention across texts.

Packing without cross-contamination (Krell et al., 2021, https://arxiv.org/abs/2107.02027): every text keeps its own
[CLS] and [SEP], its positions start at 0 as in inference, and attention stays within the text.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from models.demo.corpus import Source
from models.demo.tokenizer import id_of

MASKED_SHARE = 0.2
"""Above BERT's 0.15: a short training run learns more from each token (Wettig et al., 2023)."""

_TRIES = 12  # texts that may fail to fit before a batch is full


@dataclass(frozen=True, slots=True)
class Batch:
    """One training batch of ``rows`` x ``length`` tokens.

    Attributes:
        input_ids: int64 [rows, length], with [MASK] (or a random token) at the targets.
        positions: int64 [rows, length], counted from each text's own start.
        segments: int32 [rows, length], the text's number within its row from 1; 0 is padding.
        targets: int64 [masked], the flat indices of the tokens to predict.
        labels: int64 [masked], the original tokens.
    """

    input_ids: NDArray[np.int64]
    positions: NDArray[np.int64]
    segments: NDArray[np.int32]
    targets: NDArray[np.int64]
    labels: NDArray[np.int64]


class Packer:
    """Sampler of batches from weighted sources.

    A batch depends only on seed, step and stage, so a resumed run has the same batches as an uninterrupted one.
    """

    def __init__(self, sources: Sequence[Source], tokenizer: Tokenizer, *, length: int, rows: int, seed: int) -> None:
        self._length, self._rows, self._seed = length, rows, seed
        self._mask_id = id_of(tokenizer, "[MASK]")
        self._first_id = self._mask_id + 1
        self._vocabulary = tokenizer.get_vocab_size()
        self._ids: list[NDArray[np.uint16]] = []
        self._starts: list[NDArray[np.int64]] = []
        for source in sources:
            encoded = [encoding.ids[:length] for encoding in tokenizer.encode_batch_fast(source.texts)]
            sizes = np.fromiter(map(len, encoded), np.int64, len(encoded))
            self._starts.append(np.concatenate([[0], np.cumsum(sizes)]))
            self._ids.append(np.fromiter((i for ids in encoded for i in ids), np.uint16, int(sizes.sum())))
        mean_sizes = np.array([starts[-1] / (len(starts) - 1) for starts in self._starts])
        draws = np.array([source.shares for source in sources]).T / mean_sizes
        self._draws = draws / draws.sum(axis=1, keepdims=True)

    @property
    def tokens(self) -> int:
        """Number of tokens in all sources, without repetition."""
        return sum(len(ids) for ids in self._ids)

    def batch(self, step: int, *, late: bool) -> Batch:
        """Return a step's batch, drawn by early or late shares."""
        rng = np.random.default_rng([self._seed, step])
        shape = (self._rows, self._length)
        ids, positions, segments = np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.zeros(shape, np.int32)
        used, texts = np.zeros(self._rows, np.int64), np.zeros(self._rows, np.int32)
        misses = 0
        while misses < _TRIES:
            text = self._draw(rng, self._draws[int(late)])
            row = int(np.argmax(used + len(text) <= self._length))
            if used[row] + len(text) > self._length:
                misses += 1
                continue
            place = slice(int(used[row]), int(used[row]) + len(text))
            texts[row] += 1
            ids[row, place], positions[row, place], segments[row, place] = text, np.arange(len(text)), texts[row]
            used[row] += len(text)
        return self._mask(rng, ids, positions, segments)

    def _draw(self, rng: np.random.Generator, draws: NDArray[np.float64]) -> NDArray[np.uint16]:
        source = rng.choice(len(draws), p=draws)
        starts = self._starts[source]
        chosen = rng.integers(len(starts) - 1)
        return self._ids[source][starts[chosen] : starts[chosen + 1]]

    def _mask(
        self,
        rng: np.random.Generator,
        ids: NDArray[np.int64],
        positions: NDArray[np.int64],
        segments: NDArray[np.int32],
    ) -> Batch:
        """Mask a fifth of each text's tokens, at least one.

        Of these, 80 % become [MASK], 10 % a random token, and 10 % stay.
        """
        flat = ids.ravel()
        text_of = (np.arange(self._rows)[:, None] * (self._length + 1) + segments).ravel()
        candidates = np.flatnonzero(flat >= self._first_id)
        order = candidates[np.lexsort((rng.random(len(candidates)), text_of[candidates]))]
        _, first, counts = np.unique(text_of[order], return_index=True, return_counts=True)
        rank = np.arange(len(order)) - np.repeat(first, counts)
        quota = np.maximum(1, np.floor(counts * MASKED_SHARE + rng.random(len(counts)))).astype(np.int64)
        targets = np.sort(order[rank < np.repeat(quota, counts)])
        labels = flat[targets].copy()
        kind = rng.random(len(targets))
        flat[targets[kind < 0.8]] = self._mask_id
        noise = targets[kind >= 0.9]
        flat[noise] = rng.integers(self._first_id, self._vocabulary, len(noise))
        return Batch(flat.reshape(ids.shape), positions, segments, targets, labels)
