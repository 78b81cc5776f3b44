"""Read the baseline of a version from its manifest.json.

It holds the answers to the golden prompts at export.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.gateway.consistency.drift import Distribution

MASK = "[MASK]"
ENGINES = ("tensorflow", "onnx")
"""The engines with a baseline; 8-bit ONNX answers differ slightly from the SavedModel's."""


class BaselineError(Exception):
    """A version cannot be checked.

    The message is shown to the user.
    """


@dataclass(frozen=True, slots=True)
class Baseline:
    """The golden prompts and the recorded answers.

    Attributes:
        prompts: texts with one or more [MASK].
        answers: for each engine the distributions at all masks, in the prompts' order.
        top_k: the maximum number of candidates that the version returns.
        precision: the precision of the SavedModel's weights.
    """

    prompts: Sequence[str]
    answers: Mapping[str, Sequence[Distribution]]
    top_k: int
    precision: str = "unknown"

    def prompt_of(self, mask: int) -> str:
        """Return the prompt of a mask.

        Masks are counted over all prompts.
        """
        return [prompt for prompt in self.prompts for _ in range(prompt.count(MASK))][mask]


def read_baseline(version: Path) -> Baseline:
    """Read the baseline of a version folder.

    Raises:
        BaselineError: the manifest cannot be read, has no baseline, or is damaged.
    """
    path = version / "manifest.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        msg = f"{path} cannot be read ({error.strerror}); set GATEWAY_MODEL_FOLDER to the folder of the served versions"
        raise BaselineError(msg) from error
    except ValueError as error:
        msg = f"{path} is damaged ({error}); export the version again"
        raise BaselineError(msg) from error
    try:
        if not (recorded := manifest.get("baseline")):
            msg = f"{path} has no baseline, as it is from an older export; export the version again"
            raise BaselineError(msg)
        prompts = [str(prompt) for prompt in recorded["prompts"]]
        masks = sum(prompt.count(MASK) for prompt in prompts)
        answers = {engine: _distributions(recorded[engine], masks) for engine in ENGINES}
        top_k = min(manifest["options"]["top_k"], manifest["shape"]["vocab_size"])
        precision = str(manifest["options"].get("precision", "unknown"))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        msg = f"the baseline in {path} is damaged ({type(error).__name__}: {error}); export the version again"
        raise BaselineError(msg) from error
    return Baseline(prompts, answers, top_k, precision)


def _distributions(recorded: Sequence[Mapping[str, Any]], masks: int) -> list[Distribution]:
    """Return the distributions of all masks.

    Raises:
        ValueError: their number differs from the number of masks, or a score is not from 0 to 1.
    """
    if not len(recorded) == masks > 0:
        msg = f"it has answers for {len(recorded)} masks, its prompts have {masks}"
        raise ValueError(msg)
    found: list[Distribution] = [dict(zip(one["token_ids"], one["scores"], strict=True)) for one in recorded]
    if not all(0 <= score <= 1 for one in found for score in one.values()):
        msg = "a score is not from 0 to 1"
        raise ValueError(msg)
    return found
