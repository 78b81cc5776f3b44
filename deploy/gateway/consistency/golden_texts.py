"""Ask a text classifier the golden texts of its version."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bert_mlm_client import AsyncTextClassifier

from deploy.gateway.consistency.baseline import ENGINES, Baseline, check_scores, read_manifest, read_precision
from deploy.gateway.consistency.drift import Distance, Distribution, largest_change, total_variation

_DISTANCES: Mapping[str | None, Distance] = {"multi_label_classification": largest_change}
"""The distance by Hugging Face's problem_type; the labels of other classifiers are one distribution."""


def read_baseline(version: Path) -> Baseline:
    """Read the baseline of a version folder (see `Golden.read_baseline`)."""
    return read_manifest(version, "GATEWAY_CLASSIFIER_FOLDER", partial(_build, version))


async def ask(client: AsyncTextClassifier, baseline: Baseline) -> list[Distribution]:
    """Return the labels of all texts (see `Golden.ask`)."""
    found = [await client.classify(text, baseline.top_k) for text in baseline.prompts]
    return [{one.label: one.score for one in each} for each in found]


def _build(version: Path, manifest: Any, recorded: Any) -> Baseline:
    texts = [str(text) for text in recorded["prompts"]]
    answers = {engine: _distributions(recorded[engine], len(texts)) for engine in ENGINES}
    distance = _DISTANCES.get(_problem_type(version), total_variation)
    return Baseline(texts, answers, texts, len(manifest["labels"]), read_precision(manifest), distance)


def _problem_type(version: Path) -> str | None:
    """Return the checkpoint's problem_type.

    The manifest does not have it.
    """
    try:
        config = json.loads((version / "assets" / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    found: str | None = config.get("problem_type")
    return found


def _distributions(recorded: Sequence[Mapping[str, Any]], texts: int) -> list[Distribution]:
    """Return the distributions of all texts.

    Raises:
        ValueError: their number differs from the number of texts, or a score is not from 0 to 1.
    """
    if not len(recorded) == texts > 0:
        msg = f"it has answers for {len(recorded)} texts of {texts}"
        raise ValueError(msg)
    found: list[Distribution] = [dict(zip(one["labels"], one["scores"], strict=True)) for one in recorded]
    check_scores(found)
    return found
