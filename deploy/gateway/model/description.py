"""Describe the served version by its manifest.json."""

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

logger = logging.getLogger(__name__)

_DEMONSTRATION = ("models", "demo")
"""The folder of the checkpoint that is part of this repository."""


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """What users want to know about a version.

    Attributes:
        checkpoint: the last part of the name of its checkpoint, such as bert-base-chinese.
        parameters: the number of its weights.
        engine: the engine that answers; None if unknown.
        precision: the precision of that engine's weights; None if unknown.
        is_demonstration: whether it is the small checkpoint of this repository.
    """

    checkpoint: str
    parameters: int
    engine: str | None
    precision: str | None
    is_demonstration: bool


class ModelDescriptions:
    """Describe versions, and cache the latest manifest.

    Args:
        folder: the folder of the versions with their manifests; None if unknown.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._version: int | None = None
        self._manifest: Any = None

    async def of(self, version: int | None, engine: str | None) -> ModelDescription | None:
        """Return the description of a version.

        None without a folder, or if the manifest cannot be read, which the consistency check reports.

        Args:
            version: the version; None without one.
            engine: the engine that answers; None if unknown.
        """
        if self._folder is None or version is None:
            return None
        if version != self._version:
            self._manifest = await asyncio.to_thread(_read, self._folder / str(version) / "manifest.json")
            self._version = version
        if self._manifest is None:
            return None
        try:
            return _describe(self._manifest, engine)
        except (AttributeError, KeyError, TypeError, ValueError):
            logger.debug("The manifest of version %s is damaged.", version, exc_info=True)
            return None


def count_parameters(shape: Mapping[str, int]) -> int:
    """Return the number of weights of a masked language model.

    The embeddings and the output layer share theirs.
    """
    hidden, inner, vocabulary = shape["hidden_size"], shape["intermediate_size"], shape["vocab_size"]
    normalization = 2 * hidden
    rows = vocabulary + shape["max_position_embeddings"] + shape["type_vocab_size"]
    attention = 4 * (hidden * hidden + hidden) + normalization
    feed_forward = hidden * inner + inner + inner * hidden + hidden + normalization
    head = hidden * hidden + hidden + normalization + vocabulary
    return rows * hidden + normalization + shape["num_hidden_layers"] * (attention + feed_forward) + head


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _describe(manifest: Mapping[str, Any], engine: str | None) -> ModelDescription:
    source = PurePath(manifest["source"]["model"])
    precisions = {"onnx": "int8", "tensorflow": str(manifest["options"]["precision"])}
    return ModelDescription(
        checkpoint=source.name,
        parameters=count_parameters(manifest["shape"]),
        engine=engine,
        precision=engine and precisions.get(engine),
        is_demonstration=source.parts[-2:] == _DEMONSTRATION,
    )
