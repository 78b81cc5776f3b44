"""How likely given tokens are, each at a mask of a row of its own."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from bert_mlm_client.exchanges.base import Exchange
from bert_mlm_client.exchanges.rows import Row, probabilities


class Step(NamedTuple):
    """A token, and a row with the one mask that it may stand at."""

    row: Row
    token: int


def log_probabilities(steps: Sequence[Step]) -> Exchange[list[float]]:
    """Ask for the log-probability of each step's token, in one round trip.

    Steps that ask about the same row share it: it is sent once, with all the tokens that are wanted there.
    """
    wanted: dict[Row, dict[int, int]] = {}
    for row, token in steps:
        places = wanted.setdefault(row, {})
        places.setdefault(token, len(places))
    answers = yield from probabilities(list(wanted), [list(places) for places in wanted.values()])
    found = {row: answer[0].tolist() for row, answer in zip(wanted, answers, strict=True)}
    return [log(found[row][wanted[row][token]]) for row, token in steps]


def log(probability: float) -> float:
    """Return the logarithm of a probability, a number also where float32 cannot tell it from zero."""
    return math.log(max(probability, 1e-38))
