"""Model-independent checks of ``fill_mask`` answers."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from loadtest.questions import OUTPUTS

_ROUNDING = 1e-4


def fault(outputs: Mapping[str, Any]) -> str | None:
    """Return the fault of one sentence's answer, or None.

    Args:
        outputs: ``token_ids`` and ``scores``, arrays or nested lists, 1 x 1 x K each.
    """
    if missing := [name for name in OUTPUTS if name not in outputs]:
        return f"no {' and no '.join(missing)} in the answer"
    token_ids, scores = np.asarray(outputs["token_ids"]), np.asarray(outputs["scores"])
    if token_ids.shape != scores.shape or scores.shape[:2] != (1, 1) or scores.ndim != 3 or not scores.size:
        return f"token_ids {list(token_ids.shape)} and scores {list(scores.shape)} are not [1, 1, K]"
    found = scores[0, 0]
    if not np.isfinite(found).all() or found.min() < 0 or found.sum() > 1 + _ROUNDING:
        return "the scores are not probabilities"
    if (np.diff(found) > 0).any():
        return "the scores do not descend"
    if len(set(token_ids[0, 0].tolist())) != token_ids.size:
        return "a token is among the answers twice"
    return None
