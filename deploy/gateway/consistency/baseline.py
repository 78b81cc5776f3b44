"""Read the baseline of a version from its manifest.json.

It holds the answers to the golden prompts at export.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from deploy.gateway.consistency.drift import Distance, Distribution, total_variation

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
        prompts: the texts to send.
        answers: for each engine the distributions of all answers, in the prompts' order.
        owners: the prompt of each distribution.
        top_k: the number of candidates to ask for, so that those that have lost ranks are among them.
        precision: the precision of the SavedModel's weights.
        distance: measures the drift of an answer.
    """

    prompts: Sequence[str]
    answers: Mapping[str, Sequence[Distribution]]
    owners: Sequence[str]
    top_k: int
    precision: str = "unknown"
    distance: Distance = total_variation

    def prompt_of(self, answer: int) -> str:
        """Return the prompt of a distribution."""
        return self.owners[answer]


class Golden(Protocol):
    """Functions of a golden-prompt module.

    There is one module for each kind of model.
    """

    def read_baseline(self, version: Path) -> Baseline:
        """Read the baseline of a version folder.

        Raises:
            BaselineError: the manifest cannot be read, has no baseline, or is damaged.
        """

    async def ask(self, client: Any, baseline: Baseline) -> list[Distribution]:
        """Return the served model's answers to the prompts.

        Prompts are sent one by one, so that users wait for at most one.

        Raises:
            BertMlmError: a prompt was not answered, or a score is infinite or NaN.
        """


def read_manifest(version: Path, setting: str, build: Callable[[Any, Any], Baseline]) -> Baseline:
    """Read a manifest and build its baseline.

    Args:
        version: the version folder.
        setting: the variable of the folder of versions.
        build: gets the manifest and its non-empty baseline.

    Raises:
        BaselineError: the manifest cannot be read, has no baseline, or is damaged.
    """
    path = version / "manifest.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        msg = f"{path} cannot be read ({error.strerror}); set {setting} to the folder of the served versions"
        raise BaselineError(msg) from error
    except ValueError as error:
        msg = f"{path} is damaged ({error}); export the version again"
        raise BaselineError(msg) from error
    try:
        if not (recorded := manifest.get("baseline")):
            msg = f"{path} has no baseline, as it is from an older export; export the version again"
            raise BaselineError(msg)
        return build(manifest, recorded)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        msg = f"the baseline in {path} is damaged ({type(error).__name__}: {error}); export the version again"
        raise BaselineError(msg) from error


def read_precision(manifest: Any) -> str:
    """Return the precision of the SavedModel's weights."""
    return str(manifest["options"].get("precision", "unknown"))


def check_scores(answers: Sequence[Distribution]) -> None:
    """Check that scores are probabilities.

    Raises:
        ValueError: a score is not from 0 to 1.
    """
    if not all(0 <= score <= 1 for one in answers for score in one.values()):
        msg = "a score is not from 0 to 1"
        raise ValueError(msg)
