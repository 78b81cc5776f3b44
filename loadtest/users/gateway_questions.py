"""Requests to the gateway and model-independent checks of the answers."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

TOP_K = 5
BATCH = 4
_WORDS = ("的", "一", "人")
_ROUNDING = 1e-4


@dataclass(frozen=True, slots=True)
class Question:
    """One request.

    Attributes:
        path: path of the POST.
        body: JSON body.
        fault: returns the fault of an answer's JSON, or None; raises KeyError, TypeError or ValueError if the JSON has
            another structure.
    """

    path: str
    body: bytes
    fault: Callable[[Any], str | None]


def fill(text: str) -> Question:
    """Return a request to fill one sentence."""
    return _question("/predict", {"text": text, "top_k": TOP_K}, lambda answer: _filled(answer["results"]))


def batch(texts: Sequence[str]) -> Question:
    """Return a request to fill several sentences."""
    return _question("/v1/fill-mask", {"inputs": texts, "parameters": {"top_k": TOP_K}}, partial(_batch, len(texts)))


def score(text: str) -> Question:
    """Return a request to score words."""
    return _question("/v1/score", {"inputs": text, "parameters": {"candidates": _WORDS}}, _scored)


def similarity(text: str, others: Sequence[str]) -> Question:
    """Return a request to compare a sentence with others."""
    document = {"inputs": {"source_sentence": text, "sentences": others}}
    return _question("/v1/similarity", document, partial(_similar, len(others)))


def features(text: str) -> Question:
    """Return a request for a text's vectors."""
    return _question("/v1/features", {"inputs": text}, _vectors)


def refusal(status: int, content: bytes | None) -> str:
    """Return an error's type, to count equal errors together."""
    try:
        kind = json.loads(content or b"")["error_type"]
    except (ValueError, KeyError, TypeError):
        kind = "without an error_type"
    return f"HTTP {status} {kind}"


def _question(path: str, document: Mapping[str, Any], fault: Callable[[Any], str | None]) -> Question:
    return Question(path, json.dumps(document, ensure_ascii=False).encode(), fault)


def _filled(candidates: Sequence[Mapping[str, Any]]) -> str | None:
    scores = [candidate["score"] for candidate in candidates]
    if len(scores) != TOP_K:
        return f"{len(scores)} candidates, not {TOP_K}"
    if not _are_probabilities(scores) or sum(scores) > 1 + _ROUNDING:
        return "the scores are not probabilities"
    if scores != sorted(scores, reverse=True):
        return "the scores do not descend"
    if len({candidate["token"] for candidate in candidates}) != TOP_K:
        return "a token is among the answers twice"
    return None


def _batch(count: int, answer: Sequence[Any]) -> str | None:
    if len(answer) != count:
        return f"{len(answer)} answers to {count} sentences"
    return next((wrong for wrong in map(_filled, answer) if wrong), None)


def _scored(answer: Sequence[Mapping[str, Any]]) -> str | None:
    if tuple(one["token_str"] for one in answer) != _WORDS:
        return "the words are not those that were asked for, in their order"
    return None if _are_probabilities([one["score"] for one in answer]) else "the scores are not probabilities"


def _similar(count: int, answer: Sequence[float]) -> str | None:
    if len(answer) != count:
        return f"{len(answer)} answers to {count} sentences"
    return None if all(abs(one) <= 1 + _ROUNDING for one in answer) else "a similarity is above 1"


def _vectors(answer: Mapping[str, Any]) -> str | None:
    cls, mean = answer["cls"], answer["mean"]
    if not cls or len(cls) != len(mean):
        return f"vectors of {len(cls)} and {len(mean)} numbers"
    return None if all(map(math.isfinite, [*cls, *mean])) else "a vector has NaN or infinite values"


def _are_probabilities(scores: Sequence[float]) -> bool:
    return all(0 <= score <= 1 + _ROUNDING for score in scores)
