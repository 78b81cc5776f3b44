"""Record a version's answers to the golden prompts.

A server with damaged weights, vocabulary or libraries returns wrong answers without any error. To detect this,
monitoring sends the same prompts and compares the answers with the baseline in the manifest.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from bert_mlm_client.tokens import Encoded
from numpy.typing import NDArray

from export.checkpoint import Checkpoint
from export.errors import CheckpointError
from export.onnx.sample import encode_lines
from export.onnx.session import feeds, open_session

GOLDEN = Path(__file__).with_name("golden.txt")
"""Sentences of many kinds, one per line, with one or two [MASK] each and at most 64 tokens."""

TOP_K = 20
"""The number of recorded candidates for each mask."""

DIGITS = 6
"""Decimals of the recorded probabilities. The rounding error over all candidates of a mask is at most 1e-5."""

Ids = NDArray[np.int32]
Answers = tuple[Ids, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class GoldenPrompts:
    """The golden prompts as token ids, in one batch.

    Attributes:
        prompts: the prompts that the checkpoint can read.
        inputs: of ``fill_mask``; a prompt with fewer masks than another repeats its first.
    """

    prompts: Sequence[Encoded]
    inputs: Mapping[str, Ids]

    @classmethod
    def read(cls, checkpoint: Checkpoint) -> "GoldenPrompts":
        """Tokenize the golden prompts."""
        prompts = list(encode_lines(checkpoint, GOLDEN.read_text(encoding="utf-8").splitlines()))
        return cls(prompts, _batch(prompts))

    def baseline(self, answers: Mapping[str, Answers]) -> dict[str, Any]:
        """Return the manifest's ``baseline``.

        Args:
            answers: by engine, ``tensorflow`` or ``onnx``.

        Returns:
            The prompts, and for each engine the best candidates and their probabilities for each mask, in the order of
            the prompts.

        Raises:
            CheckpointError: a score is NaN or infinite.
        """
        recorded = {engine: _by_mask(engine, self.prompts, *found) for engine, found in answers.items()}
        return {"prompts": [prompt.text for prompt in self.prompts], **recorded}


def _batch(prompts: Sequence[Encoded]) -> dict[str, Ids]:
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


def ask_graph(fill_mask: Callable[..., Any], inputs: Mapping[str, Ids]) -> Answers:
    """Return the answers of the SavedModel's signature ``fill_mask``."""
    found = fill_mask(**{name: tf.constant(array) for name, array in inputs.items()})
    return found["token_ids"].numpy(), found["scores"].numpy()


def ask_light(path: Path, inputs: Mapping[str, Ids]) -> Answers:
    """Return the answers of a light file."""
    positions, lengths = inputs["mask_positions"], inputs["lengths"]
    inputs_of_file = feeds(inputs["input_ids"], positions, answers=positions.shape[1], lengths=lengths)
    token_ids, scores = open_session(path).run(["token_ids", "scores"], inputs_of_file)
    return token_ids, scores


def _by_mask(
    engine: str, prompts: Sequence[Encoded], token_ids: Ids, scores: NDArray[np.float32]
) -> list[dict[str, Any]]:
    if not np.isfinite(scores).all():
        msg = f"the exported model answers with NaN or infinite scores ({engine}): export with another --precision"
        raise CheckpointError(msg)
    return [
        {
            "token_ids": token_ids[row, mask, :TOP_K].tolist(),
            "scores": [round(score, DIGITS) for score in scores[row, mask, :TOP_K].tolist()],
        }
        for row, prompt in enumerate(prompts)
        for mask in range(len(prompt.mask_positions))
    ]
