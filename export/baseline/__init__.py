"""Record a version's answers to the golden prompts.

A server with damaged weights, vocabulary or libraries returns wrong answers without any error. To detect this,
monitoring sends the same prompts and compares the answers with the baseline in the manifest.
"""

from export.baseline.classify import GoldenTexts
from export.baseline.common import GOLDEN, TOP_K, Answers, Golden
from export.baseline.fill_mask import GoldenPrompts
from export.checkpoint import Checkpoint

__all__ = ["GOLDEN", "TOP_K", "Answers", "Golden", "read_golden"]


def read_golden(checkpoint: Checkpoint) -> Golden:
    """Tokenize the golden prompts for a checkpoint."""
    if checkpoint.classifier:
        return GoldenTexts.read(checkpoint, checkpoint.classifier)
    return GoldenPrompts.read(checkpoint)
