"""Run the light file and float32 graphs with ONNX Runtime."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from bert_mlm_client.onnx_runtime import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto

from export.checkpoint import Checkpoint, ClassifierConfig
from export.onnx.graph import Graph
from export.onnx.heads import create_bert
from export.onnx.products import Float
from export.onnx.sample import Ids

_ROWS = 512  # tokens per batch; larger products are no faster and take more memory

Array = NDArray[np.float32]


class Session(Protocol):
    """A session that runs a graph."""

    def run(self, names: Sequence[str], inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Return the named outputs."""


class FloatModel:
    """A checkpoint in float32.

    Its weights are inputs of the graph, so that neither the graph nor ONNX Runtime holds a copy of them.

    Args:
        checkpoint: the checkpoint, each of whose weights is read once.
        top_k: the number of answers for each mask.

    Attributes:
        observed: the output names of the products' inputs.
        observed_at_masks: the same for the head of a masked language model, which runs only for the masks.
    """

    def __init__(self, checkpoint: Checkpoint, top_k: int = 1) -> None:
        graph = Graph()
        products = Float(graph, checkpoint.weights["bert.embeddings.word_embeddings.weight"])
        bert = create_bert(graph, products, checkpoint, top_k)
        outputs = bert.outputs()
        observed = {**products.observed, **products.observed_at_masks}
        for name, value in {**outputs, **observed}.items():
            graph.name(value, name)
        rows = dict.fromkeys(observed, (TensorProto.FLOAT, ("R", "H")))
        model = graph.model(bert.inputs, {**bert.types, **rows})
        self.observed = tuple(products.observed)
        self.observed_at_masks = tuple(products.observed_at_masks)
        self._weights = graph.parameters
        self._session = open_session(model.SerializeToString())

    def run(self, names: Sequence[str], inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Return the named outputs."""
        outputs: list[NDArray[Any]] = self._session.run(list(names), {**inputs, **self._weights})
        return outputs


def open_session(model: bytes | Path) -> ort.InferenceSession:
    """Return a session of ONNX Runtime on the CPU."""
    options = ort.SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # Python computes between runs
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def feeds(
    ids: Ids, positions: Ids, *, answers: int = 1, lengths: Ids | None = None, candidates: Any = 0
) -> dict[str, Ids]:
    """Return the inputs of a masked language model's graph.

    Args:
        ids: [B, S].
        positions: [B, P].
        answers: the number of positions to predict, from the first on.
        lengths: [B], by default S.
        candidates: [B, C], or one token.
    """
    batch, length = ids.shape
    return {
        "input_ids": ids,
        "lengths": np.full(batch, length, np.int32) if lengths is None else lengths,
        "positions": positions,
        "answers": np.array([answers], np.int32),
        "candidate_ids": np.full((batch, 1), candidates, np.int32) if np.ndim(candidates) == 0 else candidates,
    }


def classifier_feeds(head: ClassifierConfig, ids: Ids, lengths: Ids, *, every: bool = False) -> dict[str, Ids]:
    """Return the inputs of a classifier's graph.

    Args:
        head: the settings of the classifier.
        ids: [B, S].
        lengths: [B].
        every: compute the vectors of all tokens, even if the head reads only [CLS].
    """
    picked = 1 if head.pooling == "cls" and not every else ids.shape[1]
    positions = np.tile(np.arange(picked, dtype=np.int32), (len(ids), 1))
    return {"input_ids": ids, "lengths": lengths, "positions": positions}


def batches(sizes: Sequence[int], *, alike: bool = False) -> Iterator[list[int]]:
    """Group lines of similar length and yield their indices.

    Args:
        sizes: the length of each line.
        alike: group only lines of equal length, so that no output has padding.
    """
    batch: list[int] = []
    for number in sorted(range(len(sizes)), key=sizes.__getitem__):
        is_full = (len(batch) + 1) * sizes[number] > _ROWS
        if batch and (is_full or (alike and sizes[batch[0]] != sizes[number])):
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch


def stack(rows: Sequence[Ids]) -> Ids:
    """Stack rows of any lengths, padded with 0."""
    stacked = np.zeros((len(rows), max(row.size for row in rows)), np.int32)
    for number, row in enumerate(rows):
        stacked[number, : row.size] = row
    return stacked
