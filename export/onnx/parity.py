"""Compare a light file's signatures with transformers' model.

``export.onnx.agreement`` measures the best tokens and the whitened vectors on text. This module compares the tokenizer,
the other vectors, the attention, and the scores of ``fill_mask`` with those of ``score_tokens``.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.errors import ParityError
from export.onnx.model import ONNX_FILE
from export.onnx.session import feeds, open_session
from export.reference import ReferenceAnswer

FEATURES = 0.99
"""The minimum mean cosine of sentence vectors, as for whitened ones."""

ATTENTION = 0.05
"""The maximum mean share of a mask's attention that moves to other tokens."""

_SAME = 1e-6  # tolerance between the probabilities of two signatures

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LightParity:
    """The differences of a light file from the original.

    Attributes:
        features: the lower of the mean cosines of the ``cls`` and the ``mean`` vectors.
        explain: the mean total variation distance of a mask's attention.
    """

    features: float
    explain: float


def compare_light(
    version: Path, references: Sequence[ReferenceAnswer], vocabulary: bytes, config: bytes
) -> LightParity:
    """Compare a version's light file with the original.

    Args:
        version: the version's folder.
        references: the original's answers to sentences with masks.
        vocabulary: ``vocab`` of the SavedModel's ``tokenizer`` signature.
        config: ``config`` of the same signature.

    Raises:
        ParityError: the light file has another tokenizer, its signatures disagree, or its answers miss ``FEATURES`` or
            ``ATTENTION``.
    """
    session = open_session(version / ONNX_FILE)
    check_tokenizer(version, session, vocabulary, config)
    cosines, moved = [], []
    for reference in references:
        found = _ask(session, reference)
        cosines.append([cosine(found["cls"], reference.hidden[0]), cosine(found["mean"], reference.mean)])
        moved.append(np.abs(found["attention"] - reference.attention[reference.masks]).sum(axis=-1).mean() / 2)
        own = np.take_along_axis(found["scores"], np.argsort(found["token_ids"], axis=-1), axis=-1)
        if not np.abs(own - found["candidate_scores"]).max() < _SAME:
            msg = f"{version}'s light file gives a token one probability in fill_mask and another in score_tokens"
            raise ParityError(msg)
    parity = LightParity(float(np.mean(cosines, axis=0).min()), float(np.mean(moved)))
    # `not >=` instead of `<`, so that NaN fails.
    if not (parity.features >= FEATURES and parity.explain <= ATTENTION):
        msg = (
            f"{version}'s light file differs: cosine of sentence vectors {parity.features:.3f} (at least {FEATURES}), "
            f"{parity.explain:.1%} of the attention on other tokens (at most {ATTENTION:.0%})"
        )
        raise ParityError(msg)
    return parity


def check_tokenizer(version: Path, session: Any, vocabulary: bytes, config: bytes) -> None:
    """Check that a light file has the SavedModel's tokenizer.

    Raises:
        ParityError: the settings or the vocabulary differ.
    """
    own = session.get_modelmeta().custom_metadata_map["tokenizer"]
    if json.loads(own) != json.loads(config):
        msg = f"{version}'s light file has the tokenizer settings {own}, its SavedModel {config.decode()}"
        raise ParityError(msg)
    written = (version / "assets" / "vocab.txt").read_bytes().removesuffix(b"\n")
    if written != vocabulary:
        msg = f"{version / 'assets/vocab.txt'}, which the light engine serves, is not the SavedModel's vocabulary"
        raise ParityError(msg)


def _ask(session: Any, reference: ReferenceAnswer) -> dict[str, NDArray[Any]]:
    """Return the light file's answers to one sentence, unbatched.

    The candidates are the answers of fill_mask, sorted by id.
    """
    ids, masks = reference.ids[None], reference.masks[None]
    answers = masks.size
    filled = _run(session, ["token_ids", "scores", "attention"], feeds(ids, masks, answers=answers))
    scored = [
        _run(session, ["candidate_scores"], feeds(ids, masks, answers=answers, candidates=np.sort(row)[None]))
        for row in filled["token_ids"]
    ]
    vectors = _run(session, ["cls", "mean"], feeds(ids, np.arange(ids.size, dtype=np.int32)[None]))
    of_own = np.stack([one["candidate_scores"][mask] for mask, one in enumerate(scored)])
    return {**filled, **vectors, "candidate_scores": of_own}


def _run(session: Any, names: list[str], inputs: dict[str, NDArray[np.int32]]) -> dict[str, NDArray[Any]]:
    return {name: value[0] for name, value in zip(names, session.run(names, inputs), strict=True)}


def cosine(one: Array, other: Array) -> float:
    """Return the cosine of two vectors.

    If one is zero, the result is 1 if both are and 0 otherwise.
    """
    lengths = np.linalg.norm(one) * np.linalg.norm(other)
    return float(one @ other / lengths) if lengths else float(np.array_equal(one, other))
