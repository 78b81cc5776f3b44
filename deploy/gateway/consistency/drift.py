"""Measure the drift of a model's answers since the export."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Distribution = Mapping[int, float]
"""The probabilities of a mask's best candidates by token id; the rest to 1 belongs to the other tokens."""


@dataclass(frozen=True, slots=True)
class Drift:
    """The drift of the answers.

    Attributes:
        mean: the mean share of moved probability over all masks, from 0 to 1.
        largest: the largest share at one mask.
        mask: the index of that mask.
    """

    mean: float
    largest: float
    mask: int


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


def measure(baseline: Sequence[Distribution], now: Sequence[Distribution]) -> Drift:
    """Return the drift between answers at the same masks.

    Raises:
        ValueError: the numbers of masks differ.
    """
    moved = [total_variation(*mask) for mask in zip(baseline, now, strict=True)]
    mask = max(range(len(moved)), key=moved.__getitem__)
    return Drift(sum(moved) / len(moved), moved[mask], mask)
