"""Measure the agreement of a classifier's light file with float32.

Both classify the same texts and compute their vectors. The figures measure the arithmetic, not the model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.checkpoint import ClassifierConfig
from export.onnx.agreement import cosines, exact_integers, log, missed, whitening_of
from export.onnx.sample import Ids
from export.onnx.session import FloatModel, batches, classifier_feeds, open_session, stack
from export.progress import Track, untracked

SAME_LABEL = 0.99
"""The minimum share of texts with the same best label as float32."""

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ClassifierAgreement:
    """The agreement of a classifier's light file with float32.

    Attributes:
        texts: the number of texts.
        same_label: the share of texts where both have the same best label.
        log_probability: the mean change of the log-probability of float32's best label.
        whitened_cosine: the mean cosine between both's whitened vectors of a text.
        exact_integers: whether no product can saturate, so that every processor computes the same integers.
    """

    texts: int
    same_label: float
    log_probability: float
    whitened_cosine: float
    exact_integers: bool

    def __str__(self) -> str:
        """Return the figures that have goals."""
        return (
            f"the same label for {self.same_label:.1%} of {self.texts:,} texts, log-probabilities "
            f"{self.log_probability:.3f} off, cosine of whitened vectors {self.whitened_cosine:.3f}"
        )

    @property
    def shortcomings(self) -> list[str]:
        """The missed goals, one sentence each."""
        found = missed(self.log_probability, self.whitened_cosine, exact_integers=self.exact_integers)
        if self.same_label < SAME_LABEL:
            found.append(f"its label is float32's for {self.same_label:.1%} of texts (goal {SAME_LABEL:.0%})")
        return found


@dataclass(frozen=True, slots=True)
class ClassifierAnswers:
    """A classifier's float32 answers to a batch of texts.

    Attributes:
        inputs: the batch, with every token's position.
        probabilities: by label id [B, L].
        vectors: the mean vector of each text [B, H].
    """

    inputs: Mapping[str, Ids]
    probabilities: Array
    vectors: Array


def classify(
    model: FloatModel, head: ClassifierConfig, texts: Sequence[Ids], *, track: Track = untracked
) -> list[ClassifierAnswers]:
    """Return a classifier's float32 answers to texts."""
    found = []
    for numbers in track(list(batches([text.size for text in texts])), "Measuring"):
        rows = [texts[number] for number in numbers]
        lengths = np.array([row.size for row in rows], np.int32)
        inputs = classifier_feeds(head, stack(rows), lengths, every=True)
        label_ids, scores, vectors = model.run(["label_ids", "scores", "mean"], inputs)
        # Copy, because an array of ONNX Runtime keeps all memory of its session alive.
        found.append(ClassifierAnswers(inputs, by_label_id(label_ids, scores), vectors.copy()))
    return found


def measure_classifier(light: Path, reference: Sequence[ClassifierAnswers]) -> ClassifierAgreement | None:
    """Compare a classifier's light file with its checkpoint's float32 answers.

    Returns:
        The agreement, or None without any text.
    """
    if not reference:
        return None
    mean, kernel = whitening_of(light)
    session = open_session(light)
    same: list[NDArray[np.bool_]] = []
    moved: list[Array] = []
    angles: list[NDArray[np.floating[Any]]] = []
    for expected in reference:
        label_ids, scores, own = session.run(["label_ids", "scores", "whitened"], expected.inputs)
        best = expected.probabilities.argmax(axis=1)
        each = np.arange(best.size)
        same.append(label_ids[:, 0] == best)
        moved.append(log(by_label_id(label_ids, scores)[each, best]) - log(expected.probabilities[each, best]))
        angles.append(cosines((expected.vectors - mean) @ kernel, own))
    agreeing = np.concatenate(same)
    return ClassifierAgreement(
        texts=agreeing.size,
        same_label=float(agreeing.mean()),
        log_probability=float(np.abs(np.concatenate(moved)).mean()),
        whitened_cosine=float(np.concatenate(angles).mean()),
        exact_integers=exact_integers(light),
    )


def by_label_id(label_ids: NDArray[np.int32], scores: Array) -> Array:
    """Return the scores [B, L] in order of label ids."""
    found: Array = np.take_along_axis(scores, np.argsort(label_ids, axis=1), axis=1)
    return found
