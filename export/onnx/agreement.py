"""Measure how the light file answers beside its checkpoint in float32, and judge it.

Both are asked the same two things: what stands at hidden tokens, and the vectors of whole sentences. All figures are
of the arithmetic, not of the model: where float32 is wrong, the integers should be wrong in the same way.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from bert_mlm_client.onnx_runtime import onnxruntime as ort
from numpy.typing import NDArray
from onnx.numpy_helper import to_array

from export.checkpoint import Checkpoint
from export.onnx.calibration import Hidden, Ids, feeds, float_session, hide, open_session
from export.onnx.integer import PART_BYTE, PART_ZERO
from export.onnx.rounding import BYTE, may_saturate

SAME_BEST = 0.97
"""The least share of masks whose best token must be float32's."""

LOG_PROBABILITY = 0.08
"""The largest mean change of the log-probability of float32's best token."""

COSINE = 0.99
"""The least mean cosine of a sentence's whitened vectors."""

WHITENING_MEAN, WHITENING_KERNEL = "whitening.mean", "whitening.kernel"

_BATCH = 32

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How a light file answers, beside its checkpoint in float32.

    Attributes:
        masks: how many tokens were hidden.
        same_best: the share where both find the same best token.
        log_probability: the mean change of the log-probability of float32's best token.
        whitened_cosine: the mean cosine between both's whitened vectors of a line.
        top1_float32: the share where float32 finds the hidden token.
        top1_int8: the same for the light file.
        loss_float32: the mean of -log(probability) of the hidden token.
        loss_int8: the same for the light file.
        exact_integers: no product of the file can saturate, so that every processor computes the same integers.
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
        """Return the figures that the goals are about."""
        return (
            f"the same best token for {self.same_best:.1%} of {self.masks:,} masks, log-probabilities "
            f"{self.log_probability:.3f} off, cosine of whitened vectors {self.whitened_cosine:.3f}"
        )

    @property
    def shortcomings(self) -> list[str]:
        """What falls short of the goals, in words; empty if nothing does."""
        found = []
        if not self.exact_integers:
            found.append("its integers saturate on processors without VNNI")
        if self.same_best < SAME_BEST:
            found.append(f"its best token is float32's for {self.same_best:.1%} of masks (goal {SAME_BEST:.0%})")
        if self.log_probability > LOG_PROBABILITY:
            found.append(f"log-probabilities move by {self.log_probability:.3f} (goal {LOG_PROBABILITY})")
        if self.whitened_cosine < COSINE:
            found.append(f"whitened vectors have a cosine of {self.whitened_cosine:.3f} (goal {COSINE})")
        return found


def measure(light: Path, checkpoint: Checkpoint, lines: Sequence[Ids]) -> Agreement | None:
    """Ask a light file and its checkpoint what stands at hidden tokens of lines, and for their vectors.

    Args:
        light: the file.
        checkpoint: that it was made from.
        lines: token ids.

    Returns:
        The figures, or None if no line has enough tokens that the checkpoint knows.
    """
    weights = {tensor.name: to_array(tensor) for tensor in onnx.load(light).graph.initializer}
    sessions = float_session(checkpoint, top_k=1)[0], open_session(light)
    asked = [_ask(*sessions, batch) for batch in _batches(list(hide(lines, checkpoint)))]
    if not asked:
        return None
    best, own_best, tokens, log_best, own_log_best, log_tokens, own_log_tokens = np.concatenate(asked, axis=1)
    exact, own = (_vectors(session, name, lines) for session, name in zip(sessions, ("mean", "whitened"), strict=True))
    exact = (exact - weights[WHITENING_MEAN]) @ weights[WHITENING_KERNEL]
    cosines = (exact * own).sum(axis=1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(own, axis=1)
    return Agreement(
        masks=best.size,
        same_best=float((own_best == best).mean()),
        log_probability=float(np.abs(own_log_best - log_best).mean()),
        whitened_cosine=float(cosines.mean()),
        top1_float32=float((best == tokens).mean()),
        top1_int8=float((own_best == tokens).mean()),
        loss_float32=float(-log_tokens.mean()),
        loss_int8=float(-own_log_tokens.mean()),
        exact_integers=exact_integers(light),
    )


def exact_integers(light: Path) -> bool:
    """Tell whether no integer product of a light file can saturate on any processor."""
    return not any(may_saturate(product.kernel, byte=product.byte) for product in integer_products(light))


@dataclass(frozen=True, slots=True)
class IntegerProduct:
    """An integer product of a light file.

    Attributes:
        inputs: the name of the bytes that come in.
        kernel: [inputs, outputs].
        zero: the byte that stands for 0.
    """

    inputs: str
    kernel: NDArray[np.int8]
    zero: int

    @property
    def byte(self) -> int:
        """The largest byte that comes in."""
        return PART_BYTE if self.zero == PART_ZERO else BYTE


def integer_products(light: Path) -> list[IntegerProduct]:
    """Return all integer products of a light file."""
    graph = onnx.load(light).graph
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


def _batches(lines: Sequence[Hidden]) -> Iterator[list[Hidden]]:
    """Yield lines of similar lengths together."""
    ordered = sorted(lines, key=lambda line: line.ids.size)
    for start in range(0, len(ordered), _BATCH):
        yield ordered[start : start + _BATCH]


def _ask(exact: ort.InferenceSession, own: ort.InferenceSession, batch: Sequence[Hidden]) -> NDArray[np.float64]:
    """Return seven rows over a batch's masks.

    They are float32's best token, the light file's and the hidden one; the log-probability of float32's best token in
    float32 and in the light file; the same two of the hidden token.
    """
    ids = _stack([line.ids for line in batch])
    lengths = np.array([line.ids.size for line in batch], np.int32)
    masks = np.array([line.positions.size for line in batch])
    # A line with fewer masks than another asks for its first one again.
    widest = np.arange(masks.max())
    places = np.where(widest < masks[:, np.newaxis], widest, 0)
    positions = np.take_along_axis(_stack([line.positions for line in batch]), places, axis=1)
    tokens = np.take_along_axis(_stack([line.tokens for line in batch]), places, axis=1)
    asked = feeds(ids, positions, answers=widest.size, lengths=lengths, candidates=tokens)
    names = ["token_ids", "scores", "candidate_scores"]
    best, scores, of_tokens = exact.run(names, asked)
    asked["candidate_ids"] = np.concatenate([best[..., 0], tokens], axis=1)
    own_best, own_scores = own.run(names[0::2], asked)
    each = np.arange(widest.size)
    rows = [
        best[..., 0],
        own_best[..., 0],
        tokens,
        *(
            np.log(np.maximum(found, 1e-30))
            for found in (
                scores[..., 0],
                own_scores[:, each, each],
                of_tokens[:, each, each],
                own_scores[:, each, widest.size + each],
            )
        ),
    ]
    return np.stack(rows).astype(np.float64)[:, widest < masks[:, np.newaxis]]


def _vectors(session: ort.InferenceSession, name: str, lines: Sequence[Ids]) -> Array:
    """Return the vector of each whole line."""
    found: dict[int, Array] = {}
    order = sorted(range(len(lines)), key=lambda number: lines[number].size)
    for start in range(0, len(order), _BATCH):
        numbers = order[start : start + _BATCH]
        ids = _stack([lines[number] for number in numbers])
        lengths = np.array([lines[number].size for number in numbers], np.int32)
        # [CLS], the first token, is left out of a mean, however often it is asked for.
        positions = np.where(np.arange(ids.shape[1]) < lengths[:, np.newaxis], np.arange(ids.shape[1]), 0)
        found |= zip(
            numbers, session.run([name], feeds(ids, positions.astype(np.int32), lengths=lengths))[0], strict=True
        )
    return np.stack([found[number] for number in range(len(lines))])


def _stack(rows: Sequence[Ids]) -> Ids:
    """Return rows of any lengths as one array, filled up with 0."""
    stacked = np.zeros((len(rows), max(row.size for row in rows)), np.int32)
    for number, row in enumerate(rows):
        stacked[number, : row.size] = row
    return stacked
