"""Fill all masks of a text jointly by beam search."""

import heapq
import math
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from bert_mlm_client.decode import check_top_k, is_punctuation, is_special, join_tokens, token_text
from bert_mlm_client.exchanges.base import Exchange
from bert_mlm_client.exchanges.gaps import find_gaps, replace
from bert_mlm_client.exchanges.likelihood import Filled, KnownScores, Order, fill_orders, log, log_likelihoods
from bert_mlm_client.exchanges.rows import Best, Row, best_tokens, encode_texts
from bert_mlm_client.results import Filling
from bert_mlm_client.tokens import Encoded, Tokenizer

WIDTH = 8
"""Beam width for each order of a text's gaps.

Of 88 idioms with two of four characters masked, 4 hypotheses found one fewer than 8, and 16 found no more.
"""

MAX_FILLINGS = 2 * WIDTH
"""Maximum number of fillings of a text. At lower ranks, a beam of this width misses too many."""


class _Hypothesis(NamedTuple):
    """Partly filled row and the log-likelihood of its tokens."""

    log_likelihood: float
    ids: tuple[int, ...]


class _Beam:
    """Beam of a text for one order of its masks."""

    def __init__(self, encoded: Encoded, order: Order) -> None:
        self.encoded = encoded
        self.hypotheses = [_Hypothesis(0.0, encoded.input_ids)]
        self._positions = [encoded.mask_positions[mask] for mask in order]

    @property
    def is_complete(self) -> bool:
        """Return whether every mask is filled."""
        return not self._positions

    def rows(self) -> list[Row]:
        """Return the rows to request for the next mask."""
        return [Row(found.ids, (self._positions[0],)) for found in self.hypotheses]

    def grow(self, known: KnownScores, width: int, last_width: int) -> None:
        """Fill the next mask and keep the best hypotheses.

        ``width`` of them are kept, or ``last_width`` after the last mask.
        """
        rows = self.rows()
        position = self._positions.pop(0)
        kept = last_width if self.is_complete else width
        # Each row's candidates are sorted, so that only the first ``kept`` can be among the best overall.
        grown = (
            _Hypothesis(found.log_likelihood + value, (*found.ids[:position], token, *found.ids[position + 1 :]))
            for found, row in zip(self.hypotheses, rows, strict=True)
            for token, value in islice(known[row].items(), kept)
        )
        self.hypotheses = heapq.nlargest(kept, grown, key=lambda found: found.log_likelihood)


def fill_words(
    tokenizer: Tokenizer,
    texts: Sequence[str],
    top_k: int,
    *,
    skip_punctuation: bool = False,
    truncate: bool = False,
    width: int = WIDTH,
) -> Exchange[list[list[Filling]]]:
    """Find the most probable words for all masks together.

    A beam search for each order of the gaps fills one mask per round trip. With several gaps, one more round trip
    requests the probabilities, in each order, of the fillings that only the other order found; see `log_likelihoods`.
    ``top_k`` only limits the result, so that the answers for k are the first k of the answers for any larger k.

    Special tokens such as [UNK] are left out. Of fillings with the same sentence the best is kept.

    Returns:
        For each text its top_k fillings, best first, at most MAX_FILLINGS.
    """
    encoded = encode_texts(tokenizer, texts, truncate=truncate)
    kept = max(width, MAX_FILLINGS)
    beams = [[_Beam(one, order) for order in fill_orders(one)] for one in encoded]
    known = yield from _search(
        tokenizer.tokens,
        [beam for several in beams for beam in several],
        top_k,
        (width, kept),
        skip_punctuation=skip_punctuation,
    )
    found = [_best_found(several, kept) for several in beams]
    logs = iter((yield from log_likelihoods([filling for fillings in found for filling in fillings], known)))
    return [
        _ranked([_filling(tokenizer.tokens, filling, next(logs)) for filling in fillings])[:top_k] for fillings in found
    ]


def _search(
    names: Sequence[str], beams: Sequence[_Beam], top_k: int, widths: tuple[int, int], *, skip_punctuation: bool
) -> Exchange[KnownScores]:
    """Fill all masks of all beams and return all scores."""
    known: dict[Row, dict[int, float]] = {}
    while growing := [beam for beam in beams if not beam.is_complete]:
        rows = [row for beam in growing for row in beam.rows()]
        answers = yield from best_tokens(rows)
        for row, best in zip(rows, answers, strict=True):
            check_top_k(top_k, best.token_ids.shape[-1])
            known[row] = dict(_candidates(names, best, skip_punctuation))
        for beam in growing:
            beam.grow(known, *widths)
    return known


def _candidates(names: Sequence[str], best: Best, skip_punctuation: bool) -> Iterator[tuple[int, float]]:  # noqa: FBT001  as the caller's
    """Yield a row's tokens with their log-probabilities, best first."""
    is_left_out = is_punctuation if skip_punctuation else is_special
    for token, score in zip(best.token_ids[0].tolist(), best.scores[0].tolist(), strict=True):
        if not is_left_out(token_text(names, token)):
            yield token, log(score)


def _best_found(beams: Sequence[_Beam], kept: int) -> list[Filled]:
    """Return the best fillings of a text's beams.

    Each filling is ranked by the order with the higher likelihood.
    """
    likelihoods: dict[tuple[int, ...], float] = {}
    for found in (found for beam in beams for found in beam.hypotheses):
        likelihoods[found.ids] = max(found.log_likelihood, likelihoods.get(found.ids, -math.inf))
    encoded = beams[0].encoded
    return [
        Filled(encoded, tuple(ids[position] for position in encoded.mask_positions))
        for ids in heapq.nlargest(kept, likelihoods, key=likelihoods.__getitem__)
    ]


def _filling(names: Sequence[str], filled: Filled, log_likelihood: float) -> Filling:
    encoded, tokens = filled
    gaps = find_gaps(encoded)
    texts = [token_text(names, token) for token in tokens]
    words = tuple(join_tokens(texts[gap.first : gap.end]) for gap in gaps)
    sequence = replace(encoded.text, [gap.span for gap in gaps], [word.removeprefix("##") for word in words])
    return Filling(math.exp(log_likelihood), log_likelihood, tokens, words, sequence)


def _ranked(fillings: Sequence[Filling]) -> list[Filling]:
    """Return the fillings best first, one for each sentence."""
    ranked = sorted(fillings, key=lambda filling: filling.log_likelihood, reverse=True)
    best: dict[str, Filling] = {}
    for filling in ranked:
        best.setdefault(filling.sequence, filling)
    return list(best.values())
