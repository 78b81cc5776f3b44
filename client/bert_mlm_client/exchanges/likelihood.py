"""How likely given tokens are, each at a mask of a row."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from bert_mlm_client.exchanges.base import Exchange
from bert_mlm_client.exchanges.rows import Row, probabilities


class Step(NamedTuple):
    """A token, and the one mask of a row that it may stand at."""

    row: Row
    token: int


def left_to_right(input_ids: tuple[int, ...], positions: Sequence[int], tokens: Sequence[int]) -> list[Step]:
    """Return a step for each token of a word: those before it filled in, itself and those after it masked.

    Args:
        input_ids: the row, masked where the word may stand.
        positions: the word's masks, side by side.
        tokens: the word, a token for each mask.
    """
    start = positions[0]
    return [
        Step(Row((*input_ids[:start], *tokens[:number], *input_ids[position:]), (position,)), token)
        for number, (position, token) in enumerate(zip(positions, tokens, strict=True))
    ]


def log_probabilities(steps: Sequence[Step]) -> Exchange[list[float]]:
    """Ask for the log-probability of each step's token, in one round trip.

    Steps of the same input share a row: it is sent once, with all the masks and tokens that are wanted there.
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
    """Return the logarithm of a probability, a number also where float32 cannot tell it from zero."""
    return math.log(max(probability, 1e-38))
