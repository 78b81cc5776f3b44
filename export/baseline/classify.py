"""Record a classifier's answers to the golden texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from export.baseline.common import GOLDEN, TOP_K, Answers, check_finite, rounded
from export.checkpoint import Checkpoint, ClassifierConfig
from export.onnx.sample import encode_lines
from export.onnx.session import classifier_feeds, open_session, stack

Ids = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class GoldenTexts:
    """Golden prompts without [MASK], as one batch of token ids.

    Attributes:
        head: the settings of the classifier.
        texts: the texts that the checkpoint can read.
        inputs: of ``classify``.
    """

    head: ClassifierConfig
    texts: Sequence[str]
    inputs: Mapping[str, Ids]

    @classmethod
    def read(cls, checkpoint: Checkpoint, head: ClassifierConfig) -> "GoldenTexts":
        """Tokenize the golden texts."""
        lines = GOLDEN.read_text(encoding="utf-8").replace("[MASK]", "").splitlines()
        read = list(encode_lines(checkpoint, lines, masks=False))
        ids = [np.array(text.input_ids, np.int32) for text in read]
        inputs = {"input_ids": stack(ids), "lengths": np.array([row.size for row in ids], np.int32)}
        return cls(head, [text.text for text in read], inputs)

    def ask_graph(self, signatures: Mapping[str, Any]) -> Answers:
        """Return the labels and scores of the SavedModel's ``classify``."""
        found = signatures["classify"](**{name: tf.constant(array) for name, array in self.inputs.items()})
        return found["labels"].numpy(), found["scores"].numpy()

    def ask_light(self, path: Path) -> Answers:
        """Return the labels and scores of a light file."""
        inputs = classifier_feeds(self.head, self.inputs["input_ids"], self.inputs["lengths"])
        label_ids, scores = open_session(path).run(["label_ids", "scores"], inputs)
        return np.array([label.encode() for label in self.head.labels], object)[label_ids], scores

    def baseline(self, answers: Mapping[str, Answers]) -> dict[str, Any]:
        """Return the manifest's ``baseline``.

        Args:
            answers: by engine, ``tensorflow`` or ``onnx``.

        Returns:
            The texts, and for each engine the best labels and their scores for each text.

        Raises:
            CheckpointError: a score is NaN or infinite.
        """
        recorded: dict[str, Any] = {"prompts": list(self.texts)}
        for engine, (labels, scores) in answers.items():
            check_finite(engine, scores)
            recorded[engine] = [
                {"labels": [label.decode() for label in row[:TOP_K]], "scores": rounded(of_row[:TOP_K])}
                for row, of_row in zip(labels, scores, strict=True)
            ]
        return recorded
