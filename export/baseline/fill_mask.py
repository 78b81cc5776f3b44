"""Record a masked language model's answers to the golden prompts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from bert_mlm_client.tokens import Encoded
from numpy.typing import NDArray

from export.baseline.common import GOLDEN, TOP_K, Answers, check_finite, rounded
from export.checkpoint import Checkpoint
from export.onnx.sample import encode_lines
from export.onnx.session import feeds, open_session

Ids = NDArray[np.int32]


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

    def ask_graph(self, signatures: Mapping[str, Any]) -> Answers:
        """Return the token ids and scores of the SavedModel's ``fill_mask``."""
        found = signatures["fill_mask"](**{name: tf.constant(array) for name, array in self.inputs.items()})
        return found["token_ids"].numpy(), found["scores"].numpy()

    def ask_light(self, path: Path) -> Answers:
        """Return the token ids and scores of a light file."""
        ids, positions = self.inputs["input_ids"], self.inputs["mask_positions"]
        inputs = feeds(ids, positions, answers=positions.shape[1], lengths=self.inputs["lengths"])
        token_ids, scores = open_session(path).run(["token_ids", "scores"], inputs)
        return token_ids, scores

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


def _by_mask(
    engine: str, prompts: Sequence[Encoded], token_ids: Ids, scores: NDArray[np.float32]
) -> list[dict[str, Any]]:
    check_finite(engine, scores)
    return [
        {
            "token_ids": token_ids[row, mask, :TOP_K].tolist(),
            "scores": rounded(scores[row, mask, :TOP_K]),
        }
        for row, prompt in enumerate(prompts)
        for mask in range(len(prompt.mask_positions))
    ]
