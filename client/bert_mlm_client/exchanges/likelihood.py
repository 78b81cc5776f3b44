"""Compute the likelihood of given tokens at a text's masks."""

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
"""Indices of a text's masks in the order in which they are filled."""

KnownScores = Mapping[Row, Mapping[int, float]]
"""Log-probabilities already received: for a row, those of some tokens at its mask."""


class Filled(NamedTuple):
    """Text with a token for each of its masks."""

    encoded: Encoded
    tokens: tuple[int, ...]


class Step(NamedTuple):
    """Token, and the row with the mask that it fills."""

    row: Row
    token: int


def log_likelihoods(fillings: Sequence[Filled], known: KnownScores | None = None) -> Exchange[list[float]]:
    """Return the log-likelihood of each filling, in one round trip.

    By the chain rule, one mask after the other: each token's probability is conditioned on the tokens before it, with
    those after it still masked. So the probabilities of all fillings of a text sum to 1. Within a gap the order is from
    left to right. With several gaps the likelihood is the mean of two orders, since a masked language
    model does not give the same probability in both: the gaps from first to last, and from last to first. (Of 88 idioms
    with two characters masked apart, the first order alone found 47 %, the mean 56 %.)

    Args:
        fillings: the fillings. Steps with the same row share it.
        known: scores that need not be requested again.
    """
    known = known or {}
    asked = dict.fromkeys(
        step for filling in fillings for step in _all_steps(filling) if step.token not in known.get(step.row, ())
    )
    found = dict(zip(asked, (yield from log_probabilities(list(asked))), strict=True))

    def look_up(step: Step) -> float:
        return found[step] if step in found else known[step.row][step.token]

    return [
        _mean(sum(map(look_up, _ordered_steps(filling, order))) for order in fill_orders(filling.encoded))
        for filling in fillings
    ]


def fill_orders(encoded: Encoded) -> list[Order]:
    """Return the fill orders of a text's masks.

    One for a single gap, else two.
    """
    gaps = [range(gap.first, gap.end) for gap in find_gaps(encoded)]
    orders = (tuple(chain.from_iterable(gaps)), tuple(chain.from_iterable(reversed(gaps))))
    return list(dict.fromkeys(orders))


def fill_steps(input_ids: Sequence[int], positions: Sequence[int], tokens: Sequence[int]) -> Iterator[Step]:
    """Yield a step for each token.

    Its row has the earlier tokens filled in; the token and the later ones are masked.

    Args:
        input_ids: the row, with the tokens masked.
        positions: the tokens' positions, in the order in which they are filled.
        tokens: a token for each of these masks.
    """
    ids = list(input_ids)
    for position, token in zip(positions, tokens, strict=True):
        yield Step(Row(tuple(ids), (position,)), token)
        ids[position] = token


def log_probabilities(steps: Sequence[Step]) -> Exchange[list[float]]:
    """Return each step's log-probability, in one round trip.

    Steps of the same input share a row, which is sent once with all their masks and tokens.
    """
    places: dict[tuple[int, ...], tuple[dict[int, int], dict[int, int]]] = {}
    for (input_ids, (position,)), token in steps:
        positions, tokens = places.setdefault(input_ids, ({}, {}))
        positions.setdefault(position, len(positions))
        tokens.setdefault(token, len(tokens))
    rows = [Row(input_ids, tuple(positions)) for input_ids, (positions, _) in places.items()]
    answers = yield from probabilities(rows, [list(tokens) for _, tokens in places.values()])
    found = {row.input_ids: answer.tolist() for row, answer in zip(rows, answers, strict=True)}
    logs = []
    for (input_ids, (position,)), token in steps:
        positions, tokens = places[input_ids]
        logs.append(log(found[input_ids][positions[position]][tokens[token]]))
    return logs


def log(probability: float) -> float:
    """Return the logarithm of a probability, finite even for zero."""
    return math.log(max(probability, 1e-38))


def mean_probability(log_likelihood: float, tokens: int) -> float:
    """Return the geometric mean of the token probabilities."""
    # Not their product, which favours short words.
    return math.exp(log_likelihood / tokens)


def _all_steps(filling: Filled) -> Iterator[Step]:
    for order in fill_orders(filling.encoded):
        yield from _ordered_steps(filling, order)


def _ordered_steps(filling: Filled, order: Order) -> Iterator[Step]:
    encoded, tokens = filling
    return fill_steps(encoded.input_ids, [encoded.mask_positions[mask] for mask in order], [tokens[m] for m in order])


def _mean(logarithms: Iterator[float]) -> float:
    """Return the logarithm of the mean of probabilities (log-mean-exp)."""
    values = list(logarithms)
    largest = max(values)
    return largest + math.log(fmean(math.exp(value - largest) for value in values))
