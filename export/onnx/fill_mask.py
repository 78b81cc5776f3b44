"""Build BERT for masked language modelling as an ONNX graph.

The head runs only for the first ``answers`` positions. ONNX Runtime computes all outputs, even those that are not
fetched; these are cheap with 1 answer and 1 candidate.

| input | shape | |
|---|---|---|
| ``answers`` | [1] | M, from 1 to P |
| ``candidate_ids`` | [B, C] | for ``candidate_scores`` |
"""

from typing import ClassVar

import numpy as np
from onnx import TensorProto

from export.checkpoint import Checkpoint
from export.onnx.bert import Inputs, OnnxBert, Types
from export.onnx.graph import Graph, Value
from export.onnx.products import Products

_HEAD = "cls.predictions"


class OnnxFillMask(OnnxBert):
    """Build a masked language model's graph.

    Args:
        graph: the graph that the nodes are added to.
        products: in float32 or integers.
        checkpoint: the checkpoint.
        top_k: the number of answers for each mask.
    """

    inputs: ClassVar[Inputs] = {**OnnxBert.inputs, "answers": (1,), "candidate_ids": ("B", "C")}

    def __init__(self, graph: Graph, products: Products, checkpoint: Checkpoint, top_k: int) -> None:
        super().__init__(graph, products, checkpoint)
        self._named = np.array([token != "" for token in checkpoint.tokens])
        self._top_k = top_k
        self._answers = graph.op("Cast", Value("answers"), to=TensorProto.INT64)

    @property
    def types(self) -> Types:
        """The ONNX type and shape of each output."""
        return {
            "token_ids": (TensorProto.INT32, ("B", "M", self._top_k)),
            "scores": (TensorProto.FLOAT, ("B", "M", self._top_k)),
            "candidate_scores": (TensorProto.FLOAT, ("B", "M", "C")),
            **self._vector_types(),
            "attention": (TensorProto.FLOAT, ("B", "P", "S")),
        }

    def outputs(self) -> dict[str, Value]:
        """Build the graph and return its outputs by name."""
        hidden, attention = self._encode()
        logits = self._predict(hidden)
        probabilities = self._graph.op("Softmax", logits, axis=-1)
        count = self._graph.constant([self._top_k], np.int64)
        scores, token_ids = self._graph.ops("TopK", self._exclude_unnamed(probabilities), count, outputs=2, axis=-1)
        return {
            "token_ids": self._by_sentence(self._graph.op("Cast", token_ids, to=TensorProto.INT32), self._answers),
            "scores": self._by_sentence(scores, self._answers),
            "candidate_scores": self._candidate_scores(probabilities),
            **self._vectors(self._by_sentence(hidden, self._picked)),
            "attention": attention,
        }

    def _predict(self, hidden: Value) -> Value:
        """Return the logits [M*B, V]."""
        graph = self._graph
        zero = graph.constant([0], np.int64)
        answered = graph.op("Slice", hidden, zero, graph.op("Mul", self._answers, self._batch), zero)
        transformed = self._products.apply_precisely(answered, self._linear(f"{_HEAD}.transform.dense"))
        normal = self._normalise(self._activate(transformed), f"{_HEAD}.transform")
        return self._products.unembed(normal.rows, self._weights[f"{_HEAD}.bias"])

    def _exclude_unnamed(self, probabilities: Value) -> Value:
        """Exclude unnamed tokens from top-k by a negative probability."""
        if self._named.all():
            return probabilities
        graph = self._graph
        return graph.op("Where", graph.weight(f"{_HEAD}.named", self._named), probabilities, graph.constant(-1))

    def _candidate_scores(self, probabilities: Value) -> Value:
        """Return the probabilities of the candidates [B, M, C]."""
        graph = self._graph
        shape = graph.op("Concat", self._answers, graph.op("Shape", Value("candidate_ids")), axis=0)
        every = graph.op("Expand", Value("candidate_ids"), shape)
        flat = graph.op("Concat", graph.constant([-1], np.int64), self._size("candidate_ids", 1), axis=0)
        found = graph.op("GatherElements", probabilities, graph.op("Reshape", every, flat), axis=-1)
        return self._by_sentence(found, self._answers)
