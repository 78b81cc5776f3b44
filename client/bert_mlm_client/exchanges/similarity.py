"""Compute the similarity of texts in meaning."""

from collections.abc import Sequence

import numpy as np

from bert_mlm_client.exchanges.base import Exchange
from bert_mlm_client.exchanges.features import WHITENED, Vectors, vectors
from bert_mlm_client.exchanges.rows import encode_texts
from bert_mlm_client.results import Similarity, Vector
from bert_mlm_client.tokens import Tokenizer


def similarity(
    tokenizer: Tokenizer, pairs: Sequence[tuple[str, str]], *, truncate: bool = False
) -> Exchange[list[Similarity]]:
    """Return the similarity of each pair.

    A text in several pairs is sent once. The cosine of BERT's own vectors is high for any two sentences; that of
    whitened vectors is about 0 for unrelated sentences (Su et al. 2021, https://arxiv.org/abs/2103.15316).

    Raises:
        InputError: a text is empty or too long; its number in the message counts the texts of all pairs.
    """
    rows = encode_texts(tokenizer, [text for a, b in pairs for text in (a, b)], truncate=truncate, masks=False)
    distinct = {row.input_ids: row for row in rows}
    answers = yield from vectors(list(distinct.values()), ("mean",))
    found = dict(zip(distinct, answers, strict=True))
    return [_compare(found[a.input_ids], found[b.input_ids]) for a, b in zip(rows[::2], rows[1::2], strict=True)]


def _compare(a: Vectors, b: Vectors) -> Similarity:
    raw = cosine(a["mean"], b["mean"])
    if WHITENED in a:
        return Similarity(cosine(a[WHITENED], b[WHITENED]), "whitened cosine", raw)
    return Similarity(raw, "cosine", raw)


def cosine(a: Vector, b: Vector) -> float:
    """Return the cosine similarity of two vectors.

    1 for equal vectors, 0 if only one is zero.
    """
    if np.array_equal(a, b):
        return 1.0
    a, b = a.astype(np.float64), b.astype(np.float64)
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(np.clip(a @ b / lengths, -1, 1)) if lengths else 0.0
