"""Measure the agreement of the light file with float32.

Both predict the masked tokens of the same lines and compute the vectors of these lines. The figures measure the
arithmetic, not the model: where float32 is wrong, the integers should be wrong in the same way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx.numpy_helper import to_array

from export.onnx.integer import PART_BYTE, PART_ZERO
from export.onnx.mapping import load_mapped
from export.onnx.rounding import BYTE, may_saturate
from export.onnx.sample import Hidden, Ids
from export.onnx.session import FloatModel, batches, feeds, open_session, stack
from export.progress import Track, untracked

SAME_BEST = 0.97
"""The minimum share of masks with the same best token as float32."""

LOG_PROBABILITY = 0.08
"""The maximum mean change in the log-probability of float32's best token or label."""

COSINE = 0.99
"""The minimum mean cosine between both's whitened vectors."""

WHITENING_MEAN, WHITENING_KERNEL = "whitening.mean", "whitening.kernel"

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Agreement:
    """The agreement of a light file with float32.

    Attributes:
        masks: the number of masked tokens.
        same_best: the share of masks where both have the same best token.
        log_probability: the mean change of the log-probability of float32's best token.
        whitened_cosine: the mean cosine between both's whitened vectors of a masked line.
        top1_float32: the share of masks where float32 predicts the original token.
        top1_int8: the same for the light file.
        loss_float32: the mean of -log(probability) of the original token.
        loss_int8: the same for the light file.
        exact_integers: whether no product can saturate, so that every processor computes the same integers.
    """

    masks: int
    same_best: float
    log_probability: float
    whitened_cosine: float
    top1_float32: float
    top1_int8: float
    loss_float32: float
    loss_int8: float
    exact_integers: bool

    def __str__(self) -> str:
        """Return the figures that have goals."""
        return (
            f"the same best token for {self.same_best:.1%} of {self.masks:,} masks, log-probabilities "
            f"{self.log_probability:.3f} off, cosine of whitened vectors {self.whitened_cosine:.3f}"
        )

    @property
    def shortcomings(self) -> list[str]:
        """The missed goals, one sentence each."""
        found = missed(self.log_probability, self.whitened_cosine, exact_integers=self.exact_integers)
        if self.same_best < SAME_BEST:
            found.append(f"its best token is float32's for {self.same_best:.1%} of masks (goal {SAME_BEST:.0%})")
        return found


@dataclass(frozen=True, slots=True)
class Answers:
    """A checkpoint's float32 answers to a batch of masked lines.

    Attributes:
        inputs: the batch.
        is_mask: [B, M], False for the padding of lines with fewer masks.
        tokens: the original tokens [B, M].
        best: the best tokens [B, M].
        log_best: the log-probabilities of the best tokens.
        log_tokens: the log-probabilities of the original tokens.
        vectors: the mean vector of each line [B, H].
    """

    inputs: Mapping[str, Ids]
    is_mask: NDArray[np.bool_]
    tokens: Ids
    best: Ids
    log_best: Array
    log_tokens: Array
    vectors: Array


def answer(model: FloatModel, lines: Sequence[Hidden], *, track: Track = untracked) -> list[Answers]:
    """Return a checkpoint's float32 answers to masked lines."""
    return [
        _answer(model, [lines[number] for number in numbers])
        for numbers in track(list(batches([line.ids.size for line in lines])), "Measuring")
    ]


def _answer(model: FloatModel, batch: Sequence[Hidden]) -> Answers:
    masks = np.array([line.positions.size for line in batch])
    tokens = stack([line.tokens for line in batch])
    each = np.arange(tokens.shape[1])
    inputs = feeds(
        stack([line.ids for line in batch]),
        stack([line.masks_first for line in batch]),  # padded with [CLS], which the mean excludes
        answers=each.size,
        lengths=np.array([line.ids.size for line in batch], np.int32),
        candidates=tokens,
    )
    names = ["token_ids", "scores", "candidate_scores", "mean"]
    best, scores, of_tokens, vectors = model.run(names, inputs)
    is_mask = each < masks[:, np.newaxis]
    log_best, log_tokens = log(scores[..., 0]), log(of_tokens[:, each, each])
    # Copy, because an array of ONNX Runtime keeps all memory of its session alive.
    return Answers(inputs, is_mask, tokens, best[..., 0].copy(), log_best, log_tokens, vectors.copy())


def measure(light: Path, reference: Sequence[Answers]) -> Agreement | None:
    """Compare a light file with its checkpoint's float32 answers.

    Args:
        light: the file.
        reference: the checkpoint's answers.

    Returns:
        The agreement, or None if no line has enough known tokens.
    """
    if not reference:
        return None
    mean, kernel = whitening_of(light)
    session = open_session(light)
    masks: list[Array] = []
    angles: list[NDArray[np.floating[Any]]] = []
    for expected in reference:
        candidates = np.concatenate([expected.best, expected.tokens], axis=1)
        names = ["token_ids", "candidate_scores", "whitened"]
        own_best, scores, own = session.run(names, {**expected.inputs, "candidate_ids": candidates})
        each = np.arange(expected.tokens.shape[1])
        rows = [
            own_best[..., 0] == expected.best,
            log(scores[:, each, each]) - expected.log_best,
            expected.best == expected.tokens,
            own_best[..., 0] == expected.tokens,
            expected.log_tokens,
            log(scores[:, each, each.size + each]),
        ]
        masks.append(np.stack(rows)[:, expected.is_mask])
        angles.append(cosines((expected.vectors - mean) @ kernel, own))
    same, moved, top1, own_top1, log_tokens, own_log_tokens = np.concatenate(masks, axis=1, dtype=np.float64)
    return Agreement(
        masks=same.size,
        same_best=float(same.mean()),
        log_probability=float(np.abs(moved).mean()),
        whitened_cosine=float(np.concatenate(angles).mean()),
        top1_float32=float(top1.mean()),
        top1_int8=float(own_top1.mean()),
        loss_float32=float(-log_tokens.mean()),
        loss_int8=float(-own_log_tokens.mean()),
        exact_integers=exact_integers(light),
    )


def missed(log_probability: float, whitened_cosine: float, *, exact_integers: bool) -> list[str]:
    """Return the missed goals of any model, one sentence each."""
    found = []
    if not exact_integers:
        found.append("its integers saturate on processors without VNNI")
    if log_probability > LOG_PROBABILITY:
        found.append(f"log-probabilities move by {log_probability:.3f} (goal {LOG_PROBABILITY})")
    if whitened_cosine < COSINE:
        found.append(f"whitened vectors have a cosine of {whitened_cosine:.3f} (goal {COSINE})")
    return found


def whitening_of(light: Path) -> tuple[Array, Array]:
    """Return the mean and kernel of a light file's whitening."""
    weights = {tensor.name: tensor for tensor in load_mapped(light).graph.initializer}
    return to_array(weights[WHITENING_MEAN]), to_array(weights[WHITENING_KERNEL])


def cosines(one: NDArray[np.floating[Any]], other: Array) -> NDArray[np.floating[Any]]:
    """Return the row-wise cosines of two arrays [B, D]."""
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    found: NDArray[np.floating[Any]] = (one * other).sum(axis=1) / lengths
    return found


def log(probabilities: Array) -> Array:
    """Return log-probabilities, also of 0."""
    logarithms: Array = np.log(np.maximum(probabilities, 1e-30))
    return logarithms


def exact_integers(light: Path) -> bool:
    """Return whether no integer product can saturate on any processor."""
    return not any(may_saturate(product.kernel, byte=product.byte) for product in integer_products(light))


@dataclass(frozen=True, slots=True)
class IntegerProduct:
    """An integer product of a light file.

    Attributes:
        inputs: the name of the quantised input.
        kernel: [inputs, outputs].
        zero: the zero point of the input.
    """

    inputs: str
    kernel: NDArray[np.int8]
    zero: int

    @property
    def byte(self) -> int:
        """The largest input byte."""
        return PART_BYTE if self.zero == PART_ZERO else BYTE


def integer_products(light: Path) -> list[IntegerProduct]:
    """Return all integer products of a light file."""
    graph = load_mapped(light).graph
    constants = {tensor.name: to_array(tensor) for tensor in graph.initializer}
    constants |= {
        node.output[0]: constants[node.input[0]].T
        for node in graph.node
        if node.op_type == "Transpose" and node.input[0] in constants
    }
    return [
        IntegerProduct(node.input[0], constants[node.input[1]], int(constants[node.input[4]]))
        for node in graph.node
        if node.op_type == "MatMulIntegerToFloat"
    ]
