"""Compare a light file with float32 on text.

python -m export.onnx.compare models/bert_mlm/1 --text FILE
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from export.checkpoint import Checkpoint, load_checkpoint
from export.errors import ExportError, ParityError, SampleError
from export.manifest import read_manifest, record_light
from export.onnx.agreement import Agreement, answer, measure
from export.onnx.classifier_agreement import ClassifierAgreement, classify, measure_classifier
from export.onnx.model import ONNX_FILE
from export.onnx.sample import Ids, hide, pair_up, token_ids
from export.onnx.session import FloatModel
from export.source import find_checkpoint

HELD_OUT = Path(__file__).parents[2] / "models/demo/text/heldout.txt"
"""Text that neither ``models/demo`` nor an export was fitted to."""

KNOWN_SHARE = 0.5
"""The minimum share of known tokens in a text used for the comparison."""


def compare(version: Path, checkpoint: Path, text: Path) -> Agreement | ClassifierAgreement | None:
    """Compare a version's light file with float32 on text.

    Args:
        version: the version's folder.
        checkpoint: the folder of its checkpoint.
        text: a file with lines of text; anything up to a tab is ignored.

    Returns:
        The agreement, or None if the vocabulary covers too little of the text (``KNOWN_SHARE``).

    Raises:
        SampleError: the text is not UTF-8.
    """
    loaded = load_checkpoint(checkpoint, lower_case=read_manifest(version).options["lower_case"])
    encoded = token_ids(loaded, read_lines(text))
    if not covers(loaded, encoded):
        return None
    light, model = version / ONNX_FILE, FloatModel(loaded)
    if loaded.classifier:
        pairs = pair_up(encoded, loaded.tokenizer.max_length) if loaded.classifier.text_pairs else []
        return measure_classifier(light, classify(model, loaded.classifier, [*encoded, *pairs]))
    return measure(light, answer(model, list(hide(encoded, loaded))))


def read_lines(text: Path) -> list[str]:
    """Return the lines of a text file.

    A column before a tab is dropped.

    Raises:
        SampleError: the text is not UTF-8.
    """
    try:
        content = text.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        msg = f"{text} is not UTF-8: {error}"
        raise SampleError(msg) from error
    # heldout.txt has the source and a tab before each line.
    return [line.rpartition("\t")[2] for line in content.splitlines()]


def covers(checkpoint: Checkpoint, lines: Sequence[Ids]) -> bool:
    """Return whether a checkpoint's vocabulary covers ``KNOWN_SHARE`` of the lines."""
    unknown = checkpoint.vocabulary.index("[UNK]")
    known = [(ids[1:-1] != unknown).mean() for ids in lines if ids.size > 2]
    return bool(known) and bool(np.mean(known) >= KNOWN_SHARE)


def verify_light(version: Path, checkpoint: Path, text: Path) -> str:
    """Compare a version's light file and record the figures.

    The figures are written into the version's manifest.

    Returns:
        The result in one sentence.

    Raises:
        ParityError: the light file misses a goal of ``export.onnx.agreement`` or ``classifier_agreement``.
    """
    agreement = compare(version, checkpoint, text)
    if agreement is None:
        return f"The light file was not compared: the vocabulary does not cover {text}; give --text FILE."
    record_light(version, asdict(agreement))
    if agreement.shortcomings:
        msg = f"{version}'s light file differs from {checkpoint}: {'; '.join(agreement.shortcomings)}"
        raise ParityError(msg)
    return f"The light file answers nearly as the original does: {agreement}."


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare a version's light file with float32.

    Exit with 1 if a goal is missed.
    """
    parser = argparse.ArgumentParser(prog="python -m export.onnx.compare", description=main.__doc__)
    parser.add_argument("version", type=Path, help="the exported version's folder")
    parser.add_argument("--text", type=Path, default=HELD_OUT, help="lines of text")
    options = parser.parse_args(arguments)
    try:
        source = read_manifest(options.version).source
        files = find_checkpoint(source["model"], source["revision"])
        agreement = compare(options.version, files.folder, options.text)
    except (ExportError, OSError) as error:
        print(f"compare: {error}", file=sys.stderr)
        return 1
    if agreement is None:
        print(f"compare: the vocabulary does not cover {options.text}; give --text in its language", file=sys.stderr)
        return 1
    for name, value in asdict(agreement).items():
        print(f"{name:15} {value:.4f}" if isinstance(value, float) else f"{name:15} {value}")
    for shortcoming in agreement.shortcomings:
        print(f"compare: {shortcoming}", file=sys.stderr)
    return 1 if agreement.shortcomings else 0


if __name__ == "__main__":
    sys.exit(main())
