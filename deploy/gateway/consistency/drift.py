"""Measure the drift of a model's answers since the export."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Distribution = Mapping[Any, float]
"""The probabilities of the best candidates by token id or label; the rest to 1 belongs to the others."""

Distance = Callable[[Distribution, Distribution], float]
"""How far an answer is from its baseline, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Drift:
    """The drift of the answers.

    Attributes:
        mean: the mean share of moved probability over all answers, from 0 to 1.
        largest: the largest share of one answer.
        answer: the index of that answer.
    """

    mean: float
    largest: float
    answer: int


def total_variation(baseline: Distribution, now: Distribution) -> float:
    """Return the total variation distance.

    It is half the sum of the absolute differences over the baseline's tokens and the rest: the share of probability to
    move to turn one distribution into the other, 0 for equal ones and 1 for disjoint ones (Levin, Peres and Wilmer,
    "Markov Chains and Mixing Times", 2nd edition, section 4.1 and proposition 4.2). Merging the other tokens can only
    make it smaller.

    Args:
        baseline: the best candidates at export.
        now: the best candidates now, more of them, to include those that have lost ranks; a missing token counts as 0.
    """
    moved = sum(abs(before - now.get(token, 0.0)) for token, before in baseline.items())
    rest = sum(baseline.values()) - sum(now.get(token, 0.0) for token in baseline)
    return (moved + abs(rest)) / 2


def largest_change(baseline: Distribution, now: Distribution) -> float:
    """Return the largest change of a label's probability.

    It suits classifiers with several labels a text, whose scores are not one distribution.
    """
    return max(abs(before - now.get(label, 0.0)) for label, before in baseline.items())


def measure(
    baseline: Sequence[Distribution], now: Sequence[Distribution], distance: Distance = total_variation
) -> Drift:
    """Return the drift between answers to the same prompts.

    Raises:
        ValueError: the numbers of answers differ.
    """
    moved = [distance(*pair) for pair in zip(baseline, now, strict=True)]
    answer = max(range(len(moved)), key=moved.__getitem__)
    return Drift(sum(moved) / len(moved), moved[answer], answer)
