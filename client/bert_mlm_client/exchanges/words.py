"""Compare whole words for the gap of a text, of any length in tokens."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from bert_mlm_client.errors import InputError
from bert_mlm_client.exchanges.base import Exchange
from bert_mlm_client.exchanges.gaps import find_gaps, replace
from bert_mlm_client.exchanges.likelihood import Step, left_to_right, log_probabilities
from bert_mlm_client.exchanges.rows import numbered
from bert_mlm_client.results import Filling
from bert_mlm_client.tokens import MASK, Span, Tokenizer


class _Word(NamedTuple):
    """A candidate and its tokens."""

    text: str
    tokens: tuple[int, ...]


def check_candidates(candidates: Iterable[str]) -> list[str]:
    """Return the words as a list, which can be asked about more than once.

    Raises:
        InputError: they are one string, which would count as its characters.
    """
    if isinstance(candidates, str):
        msg = f"the candidates are one str, {candidates!r}; write a list of words"
        raise InputError(msg)
    return list(candidates)


def score(
    tokenizer: Tokenizer, texts: Sequence[str], candidates: Sequence[str], *, truncate: bool = False
) -> Exchange[list[list[Filling]]]:
    """Score words for the gap of each text, all in one round trip.

    A word of n tokens takes the gap as n masks. Its log-likelihood is the sum over its tokens of log p(token | text,
    the word's tokens before it), with the tokens after it masked.

    Returns:
        For each text one filling for each candidate, in the order given.

    Raises:
        InputError: a text does not have exactly one gap, or a candidate is no word of the vocabulary.
    """
    words = [_Word(candidate, tokenizer.word_ids(candidate)) for candidate in candidates]
    spans, steps = [], []
    for number, text in enumerate(texts, 1):
        with numbered(number, len(texts)):
            span, asked = _steps(tokenizer, text, words, truncate=truncate)
        spans.append(span)
        steps += asked
    found = iter((yield from log_probabilities(steps)))
    return [
        [_filling(text, span, word, sum(next(found) for _ in word.tokens)) for word in words]
        for text, span in zip(texts, spans, strict=True)
    ]


def compare(
    tokenizer: Tokenizer, texts: Sequence[str], candidates: Sequence[str], top_k: int, *, truncate: bool = False
) -> Exchange[list[list[Filling]]]:
    """Score words for the gap of each text and keep the best, best first; see `score`."""
    scored = yield from score(tokenizer, texts, list(dict.fromkeys(candidates)), truncate=truncate)
    return [sorted(one, key=lambda filling: filling.score, reverse=True)[:top_k] for one in scored]


def mean_probability(log_likelihood: float, tokens: int) -> float:
    """Return the geometric mean of so many probabilities, whose logarithms have this sum."""
    return math.exp(log_likelihood / tokens)


def _steps(tokenizer: Tokenizer, text: str, words: Sequence[_Word], *, truncate: bool) -> tuple[Span, list[Step]]:
    """Return where a text's gap is, and what to ask for all the tokens of all words."""
    encoded = tokenizer.encode(text, truncate=truncate)
    gaps = find_gaps(encoded)
    if len(gaps) != 1:
        msg = f"the text has {len(gaps)} gaps; words are compared in one: a [MASK], or several side by side"
        raise InputError(msg)
    span = gaps[0].span
    masked = {len(encoded.mask_positions): encoded}
    for length in {len(word.tokens) for word in words} - set(masked):
        masked[length] = tokenizer.encode(replace(text, [span], [MASK * length]), truncate=truncate)
    steps = []
    for word in words:
        row = masked[len(word.tokens)]
        steps += left_to_right(row.input_ids, row.mask_positions, word.tokens)
    return span, steps


def _filling(text: str, span: Span, word: _Word, log_likelihood: float) -> Filling:
    """Make a result; a piece of a word is written without its ``##``."""
    written = word.text.removeprefix("##") if len(word.tokens) == 1 else word.text
    score = mean_probability(log_likelihood, len(word.tokens))
    return Filling(score, log_likelihood, word.tokens, (word.text,), replace(text, [span], [written]))
