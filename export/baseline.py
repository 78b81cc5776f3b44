"""Record how a finished version answers the golden prompts, so that it can be asked later whether it still does.

A server whose weights, vocabulary or libraries are damaged answers wrongly and without any error. Whoever watches it
asks the same prompts and compares with what stands in the manifest.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from bert_mlm_client.tokens import Encoded
from numpy.typing import NDArray

from export.checkpoint import Checkpoint
from export.errors import CheckpointError
from export.onnx import ONNX_FILE
from export.onnx.calibration import encode_lines, open_session

GOLDEN = Path(__file__).with_name("golden.txt")
"""Sentences of many kinds, one a line, with one or two [MASK] each; none is longer than 64 tokens."""

TOP_K = 20
"""How many candidates for each mask are recorded."""

DIGITS = 6
"""Decimals of the recorded probabilities: what rounding takes from all candidates of a mask is at most 1e-5."""

Ids = NDArray[np.int32]
Answers = tuple[Ids, NDArray[np.float32]]


def record_baseline(version: Path, checkpoint: Checkpoint) -> dict[str, Any]:
    """Ask a version's SavedModel and its light file the golden prompts.

    Returns:
        What the manifest says as ``baseline``: the prompts, and by the engine that runs the file, ``tensorflow`` and
        ``onnx``, the best candidates and their probabilities for each mask, in the prompts' order.

    Raises:
        CheckpointError: an answer is infinite or not a number.
    """
    prompts = list(encode_lines(checkpoint, GOLDEN.read_text(encoding="utf-8").splitlines()))
    inputs = _batch(prompts)
    answers = {"tensorflow": _ask_savedmodel(version, inputs), "onnx": _ask_light(version / ONNX_FILE, inputs)}
    return {
        "prompts": [prompt.text for prompt in prompts],
        **{engine: _by_mask(engine, prompts, *found) for engine, found in answers.items()},
    }


def _batch(prompts: Sequence[Encoded]) -> dict[str, Ids]:
    """Return the inputs of ``fill_mask``; a prompt with fewer masks than another repeats its first."""
    longest = max(len(prompt.input_ids) for prompt in prompts)
    most = max(len(prompt.mask_positions) for prompt in prompts)
    ids = np.zeros((len(prompts), longest), np.int32)
    positions = np.empty((len(prompts), most), np.int32)
    for row, prompt in enumerate(prompts):
        ids[row, : len(prompt.input_ids)] = prompt.input_ids
        positions[row] = prompt.mask_positions[0]
        positions[row, : len(prompt.mask_positions)] = prompt.mask_positions
    lengths = np.array([len(prompt.input_ids) for prompt in prompts], np.int32)
    return {"input_ids": ids, "lengths": lengths, "mask_positions": positions}


def _ask_savedmodel(version: Path, inputs: Mapping[str, Ids]) -> Answers:
    fill_mask = tf.saved_model.load(str(version)).signatures["fill_mask"]
    found = fill_mask(**{name: tf.constant(array) for name, array in inputs.items()})
    return found["token_ids"].numpy(), found["scores"].numpy()


def _ask_light(path: Path, inputs: Mapping[str, Ids]) -> Answers:
    positions = inputs["mask_positions"]
    feeds = {
        "input_ids": inputs["input_ids"],
        "lengths": inputs["lengths"],
        "positions": positions,
        "answers": np.array([positions.shape[1]], np.int32),
        "candidate_ids": np.zeros((len(positions), 1), np.int32),
    }
    token_ids, scores = open_session(path).run(["token_ids", "scores"], feeds)
    return token_ids, scores


def _by_mask(
    engine: str, prompts: Sequence[Encoded], token_ids: Ids, scores: NDArray[np.float32]
) -> list[dict[str, Any]]:
    if not np.isfinite(scores).all():
        msg = f"the exported model answers with numbers that are none ({engine}): its weights need another --precision"
        raise CheckpointError(msg)
    return [
        {
            "token_ids": token_ids[row, mask, :TOP_K].tolist(),
            "scores": [round(score, DIGITS) for score in scores[row, mask, :TOP_K].tolist()],
        }
        for row, prompt in enumerate(prompts)
        for mask in range(len(prompt.mask_positions))
    ]
