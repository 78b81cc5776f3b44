"""Measure what 8-bit integers cost on text: ``python -m export.onnx.compare models/bert_mlm/1 --text FILE``."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnx
from bert_mlm_client.onnx_runtime import onnxruntime as ort
from numpy.typing import NDArray
from onnx.numpy_helper import to_array

from export.checkpoint import load_checkpoint
from export.errors import ExportError
from export.manifest import read_manifest
from export.onnx.calibration import encode_lines, float_session, open_session
from export.onnx.model import ONNX_FILE, WHITENING_KERNEL, WHITENING_MEAN
from export.source import find_checkpoint

HIDDEN_SHARE = 0.15
"""How many of a line's tokens are hidden, as in BERT's own training."""

Ids = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a version's light file answers, beside its checkpoint in float32.

    Attributes:
        masks: how many tokens were hidden.
        same_best: the share where both find the same best token.
        top1_float32: the share where float32 finds the hidden token.
        top1_int8: the same for the light file.
        loss_float32: the mean of -log(probability) of the hidden token.
        loss_int8: the same for the light file.
        whitened_cosine: the mean cosine between both's whitened vectors of a line.
    """

    masks: int
    same_best: float
    top1_float32: float
    top1_int8: float
    loss_float32: float
    loss_int8: float
    whitened_cosine: float


def compare(version: Path, checkpoint: Path, text: Path, *, seed: int = 0) -> Comparison:
    """Hide tokens of every line and ask both what stood there.

    Args:
        version: the version's folder.
        checkpoint: the folder of the checkpoint that it was made from.
        text: lines of text; what stands before a tab is left out.
        seed: which tokens are hidden.
    """
    loaded = load_checkpoint(checkpoint)
    sessions = exact_session, light_session = float_session(loaded, top_k=1)[0], open_session(version / ONNX_FILE)
    mask = loaded.vocabulary.index("[MASK]")
    lines = (line.rpartition("\t")[2] for line in text.read_text(encoding="utf-8").splitlines())
    encoded = [np.array(line.input_ids, np.int32) for line in encode_lines(loaded, lines, masks=False)]
    found: list[list[NDArray[np.float64]]] = [[], []]
    for ids, positions in _hidden(encoded, mask, np.random.default_rng(seed)):
        for answers, session in zip(found, sessions, strict=True):
            answers.append(_ask(session, ids, positions, mask))
    (exact_best, exact, hidden), (best, rounded, _) = (np.concatenate(answers, axis=1) for answers in found)
    weights = {tensor.name: to_array(tensor) for tensor in onnx.load(version / ONNX_FILE).graph.initializer}
    cosines = []
    for ids in encoded:
        own = _sentence_vector(light_session, "whitened", ids)
        original = (_sentence_vector(exact_session, "mean", ids) - weights[WHITENING_MEAN]) @ weights[WHITENING_KERNEL]
        cosines.append(own @ original / np.linalg.norm(own) / np.linalg.norm(original))
    return Comparison(
        masks=hidden.size,
        same_best=float((best == exact_best).mean()),
        top1_float32=float((exact_best == hidden).mean()),
        top1_int8=float((best == hidden).mean()),
        loss_float32=float(-np.log(exact).mean()),
        loss_int8=float(-np.log(np.maximum(rounded, 1e-30)).mean()),
        whitened_cosine=float(np.mean(cosines)),
    )


def _hidden(lines: Sequence[Ids], mask: int, random: np.random.Generator) -> Iterator[tuple[Ids, Ids]]:
    """Yield the ids of each line that is long enough, and the positions to hide; special tokens have the lowest ids."""
    for ids in lines:
        ordinary = np.flatnonzero(ids > mask)
        count = round(HIDDEN_SHARE * ordinary.size)
        if count:
            yield ids, np.sort(random.choice(ordinary, count, replace=False)).astype(np.int32)


def _ask(session: ort.InferenceSession, ids: Ids, positions: Ids, mask: int) -> NDArray[np.float64]:
    """Return the best token, the hidden token's probability and the hidden token, at each position."""
    hidden = ids[positions]
    masked = ids.copy()
    masked[positions] = mask
    token_ids, scores = session.run(
        ["token_ids", "candidate_scores"],
        {
            "input_ids": masked[np.newaxis],
            "lengths": np.array([ids.size], np.int32),
            "positions": positions[np.newaxis],
            "answers": np.array([positions.size], np.int32),
            "candidate_ids": hidden[np.newaxis],
        },
    )
    return np.stack([token_ids[0, :, 0], np.diagonal(scores[0]), hidden]).astype(np.float64)


def _sentence_vector(session: ort.InferenceSession, name: str, ids: Ids) -> NDArray[np.float32]:
    """Return a vector of a whole sentence."""
    [[vector]] = session.run(
        [name],
        {
            "input_ids": ids[np.newaxis],
            "lengths": np.array([ids.size], np.int32),
            "positions": np.arange(ids.size, dtype=np.int32)[np.newaxis],
            "answers": np.ones(1, np.int32),
            "candidate_ids": np.zeros((1, 1), np.int32),
        },
    )
    found: NDArray[np.float32] = vector
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare a version's light file with its checkpoint in float32, on text."""
    parser = argparse.ArgumentParser(prog="python -m export.onnx.compare", description=main.__doc__)
    parser.add_argument("version", type=Path, help="the exported version's folder")
    parser.add_argument("--text", type=Path, default=Path("models/demo/text/heldout.txt"), help="lines of text")
    options = parser.parse_args(arguments)
    try:
        source = read_manifest(options.version).source
        files = find_checkpoint(source["model"], source["revision"])
        comparison = compare(options.version, files.folder, options.text)
    except (ExportError, OSError) as error:
        print(f"compare: {error}", file=sys.stderr)
        return 1
    for name, value in asdict(comparison).items():
        print(f"{name:14} {value:.4f}" if isinstance(value, float) else f"{name:14} {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
