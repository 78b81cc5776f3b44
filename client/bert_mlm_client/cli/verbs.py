"""Name the commands and suggest one for an unknown name."""

from difflib import get_close_matches

FILL, SCORE, SIMILARITY, FEATURES, EXPLAIN, PROOFREAD, CLASSIFY = (
    "fill",
    "score",
    "similarity",
    "features",
    "explain",
    "proofread",
    "classify",
)
STATUS, COMPLETION = "status", "completion"

COMMANDS = (FILL, SCORE, SIMILARITY, FEATURES, EXPLAIN, PROOFREAD, CLASSIFY, STATUS, COMPLETION)

ALIASES = {SIMILARITY: ("similar",)}
"""Other accepted names of a command."""

# The tasks' names in Hugging Face's libraries, the gateway's paths and its log, and what users try.
_SUGGESTIONS = {
    "fill-mask": FILL,
    "mask-prediction": FILL,
    "predict": FILL,
    "fill-words": FILL,
    "choose": FILL,
    "token-scoring": SCORE,
    "sentence-similarity": SIMILARITY,
    "semantic-similarity": SIMILARITY,
    "compare": SIMILARITY,
    "feature-extraction": FEATURES,
    "embed": FEATURES,
    "vectors": FEATURES,
    "explanation": EXPLAIN,
    "proofreading": PROOFREAD,
    "correct": PROOFREAD,
    "check": PROOFREAD,
    "text-classification": CLASSIFY,
    "label": CLASSIFY,
    "health": STATUS,
}


def nearest(name: str) -> str | None:
    """Return the command that a name probably means, or None."""
    known = _SUGGESTIONS | {command: command for command in COMMANDS}
    close = get_close_matches(name.lower().replace("_", "-"), known, n=1)
    return known[close[0]] if close else None
