"""Score given words for the gaps of a text."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from bert_mlm_client.errors import InputError
from bert_mlm_client.exchanges.base import Exchange
from bert_mlm_client.exchanges.gaps import find_gaps, replace
from bert_mlm_client.exchanges.likelihood import Filled, log_likelihoods, mean_probability
from bert_mlm_client.exchanges.rows import numbered
from bert_mlm_client.results import Filling
from bert_mlm_client.tokens import MASK, Span, Tokenizer

Words = str | Sequence[str]
"""Candidate: one word, or for a text with several gaps a word for each."""


class _Word(NamedTuple):
    """Word and its tokens."""

    text: str
    tokens: tuple[int, ...]

    @property
    def written(self) -> str:
        """Return the word without the ``##`` of a piece."""
        return self.text.removeprefix("##") if len(self.tokens) == 1 else self.text


def check_candidates(candidates: Iterable[Words]) -> list[tuple[str, ...]]:
    """Return the words of each candidate.

    Raises:
        InputError: the candidates are a single str, which would be split into characters.
    """
    if isinstance(candidates, str):
        msg = f"the candidates are a single str, {candidates!r}; pass a list of words"
        raise InputError(msg)
    return [
        (words,) if isinstance(words, str) or not isinstance(words, Sequence) else tuple(words) for words in candidates
    ]


def score(
    tokenizer: Tokenizer, texts: Sequence[str], candidates: Sequence[tuple[str, ...]], *, truncate: bool = False
) -> Exchange[list[list[Filling]]]:
    """Score words for each text's gaps in one round trip.

    For a word of n tokens its gap is read as n masks; the score is based on `log_likelihoods`.

    Returns:
        For each text one filling for each candidate, in the order given.

    Raises:
        InputError: a candidate does not have a word for each gap of a text, or a word is not in the vocabulary.
    """
    chosen = [[_Word(word, tokenizer.word_ids(word)) for word in words] for words in candidates]
    spans: list[list[Span]] = []
    filled: list[Filled] = []
    for number, text in enumerate(texts, 1):
        with numbered(number, len(texts)):
            gaps = [gap.span for gap in find_gaps(tokenizer.encode_checked(text, truncate=truncate))]
            filled += _fill(tokenizer, text, gaps, chosen, truncate=truncate)
        spans.append(gaps)
    logs = iter((yield from log_likelihoods(filled)))
    return [
        [_filling(text, gaps, words, next(logs)) for words in chosen] for text, gaps in zip(texts, spans, strict=True)
    ]


def choose(
    tokenizer: Tokenizer,
    texts: Sequence[str],
    candidates: Sequence[tuple[str, ...]],
    top_k: int,
    *,
    truncate: bool = False,
) -> Exchange[list[list[Filling]]]:
    """Return the best-scored words for the gaps (see `score`)."""
    scored = yield from score(tokenizer, texts, list(dict.fromkeys(candidates)), truncate=truncate)
    return [sorted(one, key=lambda filling: filling.score, reverse=True)[:top_k] for one in scored]


def _fill(
    tokenizer: Tokenizer, text: str, gaps: Sequence[Span], candidates: Sequence[Sequence[_Word]], *, truncate: bool
) -> Iterator[Filled]:
    """Yield each candidate with its text.

    The text has as many masks as the candidate has tokens.
    """
    encoded = {}
    for words in candidates:
        if len(words) != len(gaps):
            listed = ", ".join(word.text for word in words)
            counted = f"{len(gaps)} gap" + ("s" if len(gaps) > 1 else "")
            msg = (
                f"the text has {counted} (a [MASK], or several side by side), the candidate {listed!r} is for "
                f"{len(words)}; give each candidate a word for each gap"
            )
            raise InputError(msg)
        lengths = tuple(len(word.tokens) for word in words)
        if lengths not in encoded:
            masked = replace(text, gaps, [MASK * length for length in lengths])
            encoded[lengths] = tokenizer.encode_checked(masked, truncate=truncate)
        yield Filled(encoded[lengths], tuple(token for word in words for token in word.tokens))


def _filling(text: str, gaps: Sequence[Span], words: Sequence[_Word], log_likelihood: float) -> Filling:
    tokens = tuple(token for word in words for token in word.tokens)
    return Filling(
        score=mean_probability(log_likelihood, len(tokens)),
        log_likelihood=log_likelihood,
        tokens=tokens,
        words=tuple(word.text for word in words),
        sequence=replace(text, gaps, [word.written for word in words]),
    )
