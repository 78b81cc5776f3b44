"""Build BERT for sequence classification as an ONNX graph.

``positions`` is [CLS] alone where the head reads only its vector, else every token of the sentence. The head runs in
float32: its kernels are small, and no other product follows whose error would matter less.
"""

import numpy as np
from onnx import TensorProto

from export.checkpoint import Checkpoint, ClassifierConfig
from export.onnx.bert import OnnxBert, Types
from export.onnx.graph import Graph, Value
from export.onnx.products import Products


class OnnxClassifier(OnnxBert):
    """Build a classifier's graph.

    Args:
        graph: the graph that the nodes are added to.
        products: in float32 or integers.
        checkpoint: the checkpoint.
        head: the settings of its classification head.
    """

    def __init__(self, graph: Graph, products: Products, checkpoint: Checkpoint, head: ClassifierConfig) -> None:
        super().__init__(graph, products, checkpoint)
        self._head = head

    @property
    def types(self) -> Types:
        """The ONNX type and shape of each output."""
        shape = ("B", len(self._head.labels))
        return {
            "label_ids": (TensorProto.INT32, shape),
            "scores": (TensorProto.FLOAT, shape),
            **self._vector_types(),
        }

    def outputs(self) -> dict[str, Value]:
        """Build the graph and return its outputs by name."""
        graph = self._graph
        hidden = self._by_sentence(self._encode()[0], self._picked)
        vectors = self._vectors(hidden)
        pooled = vectors["cls"] if self._head.pooling == "cls" else self._mean_of_all(hidden)
        logits = self._classify(pooled)
        multiple = self._head.problem_type == "multi_label_classification"
        probabilities = graph.op("Sigmoid", logits) if multiple else graph.op("Softmax", logits, axis=-1)
        count = graph.constant([len(self._head.labels)], np.int64)
        scores, order = graph.ops("TopK", probabilities, count, outputs=2, axis=-1)  # equal scores by ascending id
        return {"label_ids": graph.op("Cast", order, to=TensorProto.INT32), "scores": scores, **vectors}

    def _classify(self, pooled: Value) -> Value:
        """Return the logits [B, L] of pooled vectors [B, H]."""
        dense = self._products.apply_in_float(pooled, self._linear("bert.pooler.dense"))
        return self._products.apply_in_float(self._graph.op("Tanh", dense), self._linear("classifier"))

    def _mean_of_all(self, hidden: Value) -> Value:
        """Return the mean vectors [B, H] over all tokens.

        [CLS] and [SEP] are included.
        """
        graph = self._graph
        lengths = graph.op("Unsqueeze", Value("lengths"), graph.constant([1], np.int64))
        return self._mean(hidden, graph.op("Less", Value("positions"), lengths))
