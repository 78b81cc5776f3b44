"""Read and write the manifest of a version."""

import json
import re
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from export.errors import VersionError
from export.task import Task

MANIFEST = "manifest.json"
FORMAT = 1

_NUMBERS = re.compile(r"\[\n[-+.\de,\s]+\]")


@dataclass(frozen=True, slots=True)
class Manifest:
    """The content of manifest.json.

    Attributes:
        source: the checkpoint: model, revision, and the SHA-256 digest of each of its files.
        options: precision, lower_case (None if tokenizer_config.json determined it) and, of a masked language model,
            top_k.
        shape: the hyperparameters of config.json, and the longest input in tokens.
        created: UTC, ISO 8601.
        tensorflow: the TensorFlow version that wrote the graph.
        files: the SHA-256 digest of each file of the version except manifest.json.
        whitening: the text that the whitening was fitted to (SHA-256, number of sentences), its dimensions, and its
            shrinkage.
        quantisation: the agreement of the light file with float32 (``export.onnx``) on sample sentences at export;
            under ``verified``, on the text of ``python -m export.verify`` once it has run.
        baseline: the answers to the golden prompts (see ``export.baseline``); empty in older versions.
        parity: the figures of ``python -m export.verify``, empty until it has run.
        task: what the model is asked for, ``fill_mask`` or ``text_classification``.
        labels: of a classifier, by id.
        format: the version of this format.
    """

    source: dict[str, Any]
    options: dict[str, Any]
    shape: dict[str, Any]
    created: str
    tensorflow: str
    files: dict[str, str]
    whitening: dict[str, Any] = field(default_factory=dict)
    quantisation: dict[str, Any] = field(default_factory=dict)
    baseline: dict[str, Any] = field(default_factory=dict)
    parity: dict[str, Any] = field(default_factory=dict)
    task: Task = "fill_mask"
    labels: list[str] = field(default_factory=list)
    format: int = FORMAT

    def made_from(self, digests: dict[str, str]) -> bool:
        """Return whether the source files had these SHA-256 digests."""
        return bool(self.source["digests"] == digests)


def read_manifest(version: Path) -> Manifest:
    """Read the manifest of a version folder.

    Raises:
        VersionError: the manifest is missing or damaged, so the export did not finish.
    """
    try:
        content = json.loads((version / MANIFEST).read_text(encoding="utf-8"))
        return Manifest(**content)
    except (OSError, ValueError, TypeError) as error:
        msg = f"{version} has no readable {MANIFEST}: no export has finished it; delete it, or export with --force"
        raise VersionError(msg) from error


def write_manifest(version: Path, manifest: Manifest) -> None:
    """Write the manifest atomically, number lists on one line."""
    fresh = version / f".{MANIFEST}.new"
    text = json.dumps(asdict(manifest), indent=2, ensure_ascii=False)
    text = _NUMBERS.sub(lambda numbers: f"[{' '.join(numbers[0][1:-1].split())}]", text)
    fresh.write_text(text + "\n", encoding="utf-8")
    fresh.replace(version / MANIFEST)


def record_parity(version: Path, figures: dict[str, Any]) -> None:
    """Record the figures of ``export.verify`` in a version's manifest."""
    write_manifest(version, replace(read_manifest(version), parity=figures))


def record_light(version: Path, figures: dict[str, Any]) -> None:
    """Record the light file's figures in a version's manifest."""
    manifest = read_manifest(version)
    write_manifest(version, replace(manifest, quantisation={**manifest.quantisation, "verified": figures}))
