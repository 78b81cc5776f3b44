"""Compute how much a line counts.

A batch has a line for each sentence, and lines may be a sample. With these fields, readers of the log count by sums
alone, so that Filebeat needs no script.
"""

import math

from deploy.gateway.log.lines import Inference, Line, RefusedRequest

COUNTS = frozenset({"sample_rate", "sentences", "calls", "errors", "refused"})
"""Fields that are added up, or divided by, and so need all digits."""


def computed(line: Line, sample_rate: float | None = None) -> dict[str, float | int]:
    """Return the counts and the duration of a line.

    Args:
        line: the line.
        sample_rate: the share of such lines that is written; None is the line's own.
    """
    found: dict[str, float | int] = {}
    match line:
        case Inference():
            sentences = 1 / (sample_rate or line.sample_rate or 1.0)
            calls = sentences / (line.batch_size or 1)
            found = {"sentences": sentences, "calls": calls}
            if line.status == "failed":
                found["errors"] = calls
        case RefusedRequest():
            found = {"refused": 1 / (sample_rate or line.sample_rate or 1.0)}
        case _ if line.status == "failed":
            found = {"errors": 1.0}
    total_time_ms: float | None = getattr(line, "total_time_ms", None)
    if total_time_ms is not None and math.isfinite(total_time_ms):
        found["duration_ns"] = round(total_time_ms * 1e6)
    return found
