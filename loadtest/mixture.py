"""Mixed requests and the comparison of their answers."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from bert_mlm_client.tokens import Encoded, Tokenizer
from bert_mlm_client.transport import Request
from bert_mlm_client.wire.tensors import Array
from numpy.typing import NDArray

from loadtest.questions import features, fill_mask, score_tokens
from loadtest.sentences import LONGEST, masked_sentences

_SENTENCES = 80
_ROWS = (2, 3, 5)
_CANDIDATES = 20


@dataclass(frozen=True, slots=True)
class Question:
    """One request of the mixture.

    Attributes:
        title: its signature, sentences and masks.
        request: the request.
    """

    title: str
    request: Request


def mixture(tokenizer: Tokenizer) -> list[Question]:
    """Return requests of all signatures, sizes and mask counts."""
    texts = masked_sentences(_SENTENCES, longest=min(LONGEST, tokenizer.config.max_length - 2))
    first = len(tokenizer.vocabulary.tokens) // 2
    candidates = range(first, first + _CANDIDATES)
    groups = _groups(tokenizer, texts) + _groups(tokenizer, [_second_mask(text) for text in texts])
    questions = []
    for rows in groups:
        size = f"{len(rows)} x {len(rows[0].mask_positions)}"
        questions += [
            Question(f"fill_mask {size}", fill_mask(rows)),
            Question(f"score_tokens {size}", score_tokens(rows, candidates)),
            Question(f"features {len(rows)}", features(rows)),
        ]
    return questions


def difference(
    request: Request, answer: Mapping[str, Array], before: Mapping[str, Array], tolerance: float
) -> str | None:
    """Return how an answer differs from the reference, or None.

    Scores and vectors may differ by ``tolerance``, absolute and relative. Tokens may only swap with neighbours of equal
    score, and the last ones with tokens outside the answer.
    """
    masks = request.inputs["mask_positions"].shape[1] if "mask_positions" in request.inputs else None
    for name in request.outputs:
        now, then = answer[name][:, :masks], before[name][:, :masks]  # a batch answers with the most masks in it
        if now.shape != then.shape:
            return f"{name} has the shape {list(now.shape)} and had {list(then.shape)}"
        if name == "token_ids":
            scores = np.asarray(before["scores"][:, :masks], np.float64)
            if ((now != then) & np.logical_not(_tied(scores, tolerance))).any():
                return "another order of tokens whose scores are apart"
        else:
            apart = np.abs(np.asarray(now, np.float64) - np.asarray(then, np.float64))
            if (apart > tolerance * (1 + np.abs(np.asarray(then, np.float64)))).any():
                return f"{name} differs by up to {apart.max():.2g}"
    return None


def _tied(scores: NDArray[np.float64], tolerance: float) -> NDArray[np.bool_]:
    """Return which descending scores tie with a neighbour.

    Scores within 2 x tolerance tie.
    """
    close = -np.diff(scores) <= 2 * tolerance
    ends = np.ones((*scores.shape[:-1], 1), bool)
    above, below = np.concatenate([~ends, close], axis=-1), np.concatenate([close, ends], axis=-1)
    either: NDArray[np.bool_] = above | below
    return either


def _groups(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[Encoded]]:
    """Return sentences alone and in groups of equal length."""
    by_length: defaultdict[int, list[Encoded]] = defaultdict(list)
    for text in texts:
        encoded = tokenizer.encode(text)
        by_length[len(encoded.input_ids)].append(encoded)
    alone = [[rows[0]] for rows in by_length.values()]
    together = [rows[:size] for rows in by_length.values() for size in _ROWS if len(rows) >= size]
    return alone + together


def _second_mask(text: str) -> str:
    """Mask a second character next to the first [MASK]."""
    before, after = text.split("[MASK]")
    return f"{before}[MASK][MASK]{after[1:]}" if len(after) > 1 else f"{before[:-1]}[MASK][MASK]{after}"
