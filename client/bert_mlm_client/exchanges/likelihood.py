"""The one measure for words: how likely given tokens are at a text's masks."""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from statistics import fmean
from typing import NamedTuple

from bert_mlm_client.exchanges.base import Exchange
from bert_mlm_client.exchanges.gaps import find_gaps
from bert_mlm_client.exchanges.rows import Row, probabilities
from bert_mlm_client.tokens import Encoded

Order = tuple[int, ...]
"""A text's masks in the order in which they are filled, each by its number from 0."""

Known = Mapping[Row, Mapping[int, float]]
"""Log-probabilities that were answered before: for a row, some of the tokens at its mask."""


class Filled(NamedTuple):
    """A text and a token for each of its masks, in the text's order."""

    encoded: Encoded
    tokens: tuple[int, ...]


class _Step(NamedTuple):
    """A token, and the row with the one mask that it fills."""

    row: Row
    token: int


def log_likelihoods(fillings: Sequence[Filled], known: Known | None = None) -> Exchange[list[float]]:
    """Ask for the log-likelihood of each filling, in one round trip.

    By the chain rule, filling one mask after the other: each token's probability is taken with the tokens before it
    filled in and those after it still masked. So the probabilities of all fillings of a text sum to 1. Within a gap the
    order is from left to right. With several gaps the likelihood is the mean of two orders, since a masked language
    model does not give the same probability in both: the gaps from first to last, and from last to first. (Of 88 idioms
    with two characters masked apart, the first order alone found 47 %, the mean 56 %.)

    Args:
        fillings: what to measure. Steps that ask about the same row share it.
        known: what need not be asked again.
    """
    known = known or {}
    asked: dict[Row, dict[int, int]] = {}
    for step in chain.from_iterable(map(_all_steps, fillings)):
        if step.token not in known.get(step.row, ()):
            places = asked.setdefault(step.row, {})
            places.setdefault(step.token, len(places))
    answers = yield from probabilities(list(asked), [list(places) for places in asked.values()])
    found = {
        row: dict(zip(places, map(log, answer[0].tolist()), strict=False))  # an answer may be wider than asked
        for (row, places), answer in zip(asked.items(), answers, strict=True)
    }

    def look_up(step: _Step) -> float:
        before = known.get(step.row, {})
        return before[step.token] if step.token in before else found[step.row][step.token]

    return [
        _mean(sum(map(look_up, _steps(encoded, order, tokens))) for order in fill_orders(encoded))
        for encoded, tokens in fillings
    ]


def fill_orders(encoded: Encoded) -> list[Order]:
    """Return the orders that a text's masks are filled in: one for a single gap, else two."""
    gaps = [range(gap.first, gap.end) for gap in find_gaps(encoded)]
    orders = (tuple(chain.from_iterable(gaps)), tuple(chain.from_iterable(reversed(gaps))))
    return list(dict.fromkeys(orders))


def log(probability: float) -> float:
    """Return the logarithm of a probability, finite also where float32 cannot tell it from zero."""
    return math.log(max(probability, 1e-38))


def _all_steps(filling: Filled) -> Iterator[_Step]:
    for order in fill_orders(filling.encoded):
        yield from _steps(filling.encoded, order, filling.tokens)


def _steps(encoded: Encoded, order: Order, tokens: Sequence[int]) -> Iterator[_Step]:
    ids = list(encoded.input_ids)
    for mask in order:
        position = encoded.mask_positions[mask]
        yield _Step(Row(tuple(ids), (position,)), tokens[mask])
        ids[position] = tokens[mask]


def _mean(logarithms: Iterator[float]) -> float:
    """Return the logarithm of the mean of probabilities, given their logarithms."""
    values = list(logarithms)
    largest = max(values)
    return largest + math.log(fmean(math.exp(value - largest) for value in values))
