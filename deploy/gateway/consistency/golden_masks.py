"""Send a version's golden prompts to its masked language model."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bert_mlm_client import AsyncFillMask

from deploy.gateway.consistency.baseline import ENGINES, Baseline, check_scores, read_manifest, read_precision
from deploy.gateway.consistency.drift import Distribution

MASK = "[MASK]"


def read_baseline(version: Path) -> Baseline:
    """Read the baseline of a version folder (see `Golden.read_baseline`)."""
    return read_manifest(version, "GATEWAY_MODEL_FOLDER", _build)


async def ask(client: AsyncFillMask, baseline: Baseline) -> list[Distribution]:
    """Return the answers at all masks (see `Golden.ask`)."""
    answers: list[Distribution] = []
    for prompt in baseline.prompts:
        masks = await client.fill_masks(prompt, baseline.top_k)
        answers += [{candidate.token: candidate.score for candidate in mask} for mask in masks]
    return answers


def _build(manifest: Any, recorded: Any) -> Baseline:
    prompts = [str(prompt) for prompt in recorded["prompts"]]
    owners = [prompt for prompt in prompts for _ in range(prompt.count(MASK))]
    answers = {engine: _distributions(recorded[engine], len(owners)) for engine in ENGINES}
    top_k = min(manifest["options"]["top_k"], manifest["shape"]["vocab_size"])
    return Baseline(prompts, answers, owners, top_k, read_precision(manifest))


def _distributions(recorded: Sequence[Mapping[str, Any]], masks: int) -> list[Distribution]:
    """Return the distributions of all masks.

    Raises:
        ValueError: their number differs from the number of masks, or a score is not from 0 to 1.
    """
    if not len(recorded) == masks > 0:
        msg = f"it has answers for {len(recorded)} masks, its prompts have {masks}"
        raise ValueError(msg)
    found: list[Distribution] = [dict(zip(one["token_ids"], one["scores"], strict=True)) for one in recorded]
    check_scores(found)
    return found
