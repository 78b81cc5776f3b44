"""How far a model's answers have moved from those that it gave when it was exported."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Distribution = Mapping[int, float]
"""The probabilities of a mask's best candidates by their token ids; what they leave of 1 is the other tokens'."""


@dataclass(frozen=True, slots=True)
class Drift:
    """How far the answers have moved.

    Attributes:
        mean: the share of probability that moved, over all masks, from 0 to 1.
        largest: the same of the mask where most of it moved.
        mask: which mask that is.
    """

    mean: float
    largest: float
    mask: int


def total_variation(baseline: Distribution, now: Distribution) -> float:
    """Return the total variation distance between two distributions over the baseline's tokens and one for the rest.

    It is half the sum of the differences, and the share of probability that would have to be moved to turn one into the
    other: 0 for equal ones, 1 for those with nothing in common (Levin, Peres and Wilmer, "Markov Chains and Mixing
    Times", 2nd edition, section 4.1 and proposition 4.2). Joining the other tokens can only make it smaller.

    Args:
        baseline: the best candidates as they were.
        now: the best candidates as they are, more of them, so that one that has lost ranks is still among them; a
            token that is not counts as 0.
    """
    moved = sum(abs(before - now.get(token, 0.0)) for token, before in baseline.items())
    rest = sum(baseline.values()) - sum(now.get(token, 0.0) for token in baseline)
    return (moved + abs(rest)) / 2


def measure(baseline: Sequence[Distribution], now: Sequence[Distribution]) -> Drift:
    """Return how far the answers for the same masks have moved.

    Raises:
        ValueError: there are not as many now.
    """
    moved = [total_variation(*mask) for mask in zip(baseline, now, strict=True)]
    mask = max(range(len(moved)), key=moved.__getitem__)
    return Drift(sum(moved) / len(moved), moved[mask], mask)
