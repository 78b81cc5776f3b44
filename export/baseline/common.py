"""Define the common parts of all baselines."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from export.errors import CheckpointError

GOLDEN = Path(__file__).parents[1] / "golden.txt"
"""Sentences of many kinds, one per line, with one or two [MASK] each and at most 64 tokens."""

TOP_K = 20
"""The number of recorded candidates for each mask, or of labels for each text."""

DIGITS = 6
"""Decimals of the recorded probabilities. The rounding error over all candidates of a mask is at most 1e-5."""

Answers = tuple[NDArray[Any], NDArray[np.float32]]
"""Candidates and their scores, best first."""


class Golden(Protocol):
    """Golden inputs and the answers to them."""

    def ask_graph(self, signatures: Mapping[str, Any]) -> Answers:
        """Return the answers of a SavedModel's signatures."""

    def ask_light(self, path: Path) -> Answers:
        """Return the answers of a light file."""

    def baseline(self, answers: Mapping[str, Answers]) -> dict[str, Any]:
        """Return the manifest's ``baseline`` from the answers by engine."""


def check_finite(engine: str, scores: NDArray[np.float32]) -> None:
    """Reject NaN and infinite scores.

    Raises:
        CheckpointError: a score is NaN or infinite.
    """
    if not np.isfinite(scores).all():
        msg = f"the exported model answers with NaN or infinite scores ({engine}): export with another --precision"
        raise CheckpointError(msg)


def rounded(scores: NDArray[np.float32]) -> list[float]:
    """Return scores as they are recorded."""
    return [round(score, DIGITS) for score in scores.tolist()]
