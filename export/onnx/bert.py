"""Build BERT's encoder as an ONNX graph.

The architecture is that of Devlin et al. (2018, https://arxiv.org/abs/1810.04805). One graph serves all signatures. The
last layer runs only for ``positions`` (the masks for fill_mask, [CLS] or every token for classify, every token for
features). ``fill_mask`` and ``classify`` add the heads and their inputs.

| input | shape | |
|---|---|---|
| ``input_ids`` | [B, S] | |
| ``lengths`` | [B] | the attention mask is made from it |
| ``positions`` | [B, P] | each within its sentence |

The T tokens of all sentences are packed into one matrix without padding, so that a layer is one product instead of B,
and mixed lengths cost nothing. Only attention needs padded slots [S, B], with the position first: in this order, its
products need no transposition of the heads (``FusedMatMul``).
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from onnx import TensorProto

from export.checkpoint import Checkpoint
from export.checkpoint.config import Activation
from export.onnx.graph import Graph, Value
from export.onnx.products import Linear, Normalisation, Products

Inputs = Mapping[str, tuple[str | int, ...]]
Types = dict[str, tuple[int, tuple[str | int, ...]]]

_MASKED = float(np.finfo(np.float32).min)
_OPERATIONS: dict[Activation, str] = {"gelu_new": "FastGelu", "relu": "Relu"}  # exact GELU comes from the products


class OnnxBert(ABC):
    """Build a checkpoint's graph with float32 or integer products.

    The subclasses add a head.
    """

    inputs: ClassVar[Inputs] = {"input_ids": ("B", "S"), "lengths": ("B",), "positions": ("B", "P")}
    """The shape of each input."""

    def __init__(self, graph: Graph, products: Products, checkpoint: Checkpoint) -> None:
        self._graph = graph
        self._products = products
        self._config = checkpoint.config
        self._weights = checkpoint.weights
        pairs = checkpoint.classifier is not None and checkpoint.classifier.text_pairs
        self._separator = checkpoint.vocabulary.index("[SEP]") if pairs else None
        self._batch = self._size("input_ids", 0)
        self._length = self._size("input_ids", 1)
        self._picked = self._size("positions", 1)
        self._rows, self._slots = self._row_slot_maps()

    @property
    @abstractmethod
    def types(self) -> Types:
        """The ONNX type and shape of each output."""

    @abstractmethod
    def outputs(self) -> dict[str, Value]:
        """Build the graph and return its outputs by name."""

    def _encode(self) -> tuple[Value, Value]:
        """Return the last layer's output and attention at the positions.

        Their shapes are [P*B, H] and [B, P, S].
        """
        graph = self._graph
        normal = self._embed()
        attention_mask = self._attention_mask()
        for number in range(self._config.num_hidden_layers):
            last = number == self._config.num_hidden_layers - 1
            layer = f"bert.encoder.layer.{number}"
            query, key, value = self._attention_layers(layer)
            rows, quantised = normal.rows, self._products.normalised(normal, (query, key, value))
            keys, values = quantised.apply(key), quantised.apply(value)
            if last:
                places = self._rows_of_positions()
                rows, quantised = graph.op("Gather", rows, places, axis=0), quantised.pick(places)
            context, attention = self._attend(quantised.apply(query), keys, values, attention_mask, last=last)
            output = self._products.apply(context, self._output_layer(layer))
            normal = self._normalise(graph.op("Add", output, rows), f"{layer}.attention.output")
            inner = self._linear(f"{layer}.intermediate.dense")
            widened = self._products.normalised(normal, (inner,)).apply(inner)
            narrowed = self._products.apply(
                self._activate(widened), self._linear(f"{layer}.output.dense"), after_gelu=True
            )
            normal = self._normalise(graph.op("Add", narrowed, normal.rows), f"{layer}.output")
        return normal.rows, graph.op("ReduceMean", attention, graph.constant([1], np.int64), keepdims=0)

    def _row_slot_maps(self) -> tuple[Value, Value]:
        """Return the maps between rows and slots.

        They are the slot of each row [T] and the row of each slot [S, B]. Padding slots have an arbitrary row.
        """
        graph = self._graph
        flat = graph.constant([-1], np.int64)
        axis = graph.constant([1], np.int64)
        seen = graph.op("Less", graph.op("Unsqueeze", self._range(self._length), axis), Value("lengths"))  # [S, B]
        ones = graph.op("Cast", graph.op("Reshape", seen, flat), to=TensorProto.INT64)
        counted = graph.op("CumSum", ones, graph.constant(0, np.int64))
        before = graph.op("Max", graph.op("Sub", counted, graph.constant(1, np.int64)), graph.constant(0, np.int64))
        rows = graph.op("Reshape", graph.op("NonZero", ones), flat)
        return rows, graph.op("Reshape", before, graph.op("Concat", self._length, self._batch, axis=0))

    def _range(self, length: Value) -> Value:
        """Return the int32 numbers below a length."""
        graph = self._graph
        end = graph.op("Cast", graph.op("Squeeze", length), to=TensorProto.INT32)
        return graph.op("Range", graph.constant(0, np.int32), end, graph.constant(1, np.int32))

    def _embed(self) -> Normalisation:
        """Return the embeddings as rows [T, H]."""
        graph, weights = self._graph, self._weights
        first_segment = weights["bert.embeddings.token_type_embeddings.weight"][0]
        table = weights["bert.embeddings.position_embeddings.weight"] + first_segment
        slots = graph.op(
            "Reshape", graph.op("Transpose", Value("input_ids"), perm=[1, 0]), graph.constant([-1], np.int64)
        )
        words = self._products.embed(graph.op("Gather", slots, self._rows))
        places = graph.op(
            "Gather", graph.weight("embeddings.positions", table), graph.op("Div", self._rows, self._batch)
        )
        summed = graph.op("Add", words, places)
        if self._separator is not None:
            summed = graph.op("Add", summed, self._second_segment(slots, self._separator))
        return self._normalise(summed, "bert.embeddings")

    def _second_segment(self, slots: Value, separator: int) -> Value:
        """Return the token-type embedding difference of each row [T, H].

        Rows of type 0 get zeros. The second text begins after the first [SEP].
        """
        graph = self._graph
        types = self._weights["bert.embeddings.token_type_embeddings.weight"]
        table = np.stack([np.zeros_like(types[0]), types[1] - types[0]])
        # Padding follows its sentence, so a [SEP] there changes no row.
        separators = graph.op("Equal", slots, graph.constant(separator, np.int32))
        shape = graph.op("Concat", self._length, self._batch, axis=0)
        ends = graph.op("Reshape", graph.op("Cast", separators, to=TensorProto.INT32), shape)
        before = graph.op("CumSum", ends, graph.constant(0, np.int64), exclusive=1)
        is_second = graph.op("Cast", graph.op("Greater", before, graph.constant(0, np.int32)), to=TensorProto.INT64)
        flat = graph.op("Reshape", is_second, graph.constant([-1], np.int64))
        return graph.op("Gather", graph.weight("embeddings.types", table), graph.op("Gather", flat, self._rows))

    def _attention_mask(self) -> Value:
        """Return the additive attention mask [B, 1, 1, S]."""
        graph = self._graph
        axes = graph.constant([1, 2, 3], np.int64)
        seen = graph.op("Less", self._range(self._length), graph.op("Unsqueeze", Value("lengths"), axes))
        return graph.op("Where", seen, graph.constant(0), graph.constant(_MASKED))

    def _rows_of_positions(self) -> Value:
        """Return the row of each position [P*B]."""
        graph = self._graph
        places = graph.op("Cast", graph.op("Transpose", Value("positions"), perm=[1, 0]), to=TensorProto.INT64)
        return graph.op(
            "Reshape", graph.op("GatherElements", self._slots, places, axis=0), graph.constant([-1], np.int64)
        )

    def _attend(
        self, query: Value, key: Value, value: Value, attention_mask: Value, *, last: bool
    ) -> tuple[Value, Value]:
        """Return the context as rows and the attention.

        The attention's shape is [B, heads, queries, S].
        """
        graph = self._graph
        queries = self._by_head(query, self._picked) if last else self._by_head(self._pad_rows(query), self._length)
        keys, values = (self._by_head(self._pad_rows(rows), self._length) for rows in (key, value))
        scores = graph.op("FusedMatMul", queries, keys, transBatchA=1, transBatchB=1, transB=1)
        attention = graph.op("Softmax", graph.op("Add", scores, attention_mask), axis=-1)
        context = graph.op("FusedMatMul", attention, values, transBatchB=1)
        context = self._as_rows(graph.op("Transpose", context, perm=[2, 0, 1, 3]))
        return context if last else graph.op("Gather", context, self._rows, axis=0), attention

    def _pad_rows(self, rows: Value) -> Value:
        """Pad rows [T, H] to slots [S, B, H]."""
        return self._graph.op("Gather", rows, self._slots, axis=0)

    def _attention_layers(self, layer: str) -> tuple[Linear, Linear, Linear]:
        """Return the query, key and value layers.

        The divisor of the scores is folded into the query. The key's bias is omitted, because it adds a constant to all
        scores of a query. The value's bias is folded into the output's bias, because attention sums to 1.
        """
        query, key, value = (self._linear(f"{layer}.attention.self.{part}") for part in ("query", "key", "value"))
        divisor = math.sqrt(self._config.hidden_size // self._config.num_attention_heads)
        bias = self._weights[f"{query.name}.bias"]
        return (
            Linear(query.name, query.kernel / np.float32(divisor), bias / np.float32(divisor)),
            Linear(key.name, key.kernel),
            Linear(value.name, value.kernel),
        )

    def _output_layer(self, layer: str) -> Linear:
        output = self._linear(f"{layer}.attention.output.dense")
        return Linear(
            output.name,
            output.kernel,
            self._weights[f"{output.name}.bias"] + self._weights[f"{layer}.attention.self.value.bias"] @ output.kernel,
        )

    def _activate(self, rows: Value) -> Value:
        operation = _OPERATIONS.get(self._config.hidden_act)
        return self._graph.op(operation, rows) if operation else self._products.gelu(rows)

    def _vector_types(self) -> Types:
        shape = (TensorProto.FLOAT, ("B", self._config.hidden_size))
        return {"cls": shape, "mean": shape}

    def _vectors(self, hidden: Value) -> dict[str, Value]:
        """Return cls and mean [B, H].

        They are valid only if ``positions`` has every token of the sentence.
        """
        graph = self._graph
        place = Value("positions")
        last = graph.op("Sub", Value("lengths"), graph.constant(1, np.int32))
        inside = graph.op(
            "And",
            graph.op("Greater", place, graph.constant(0, np.int32)),
            graph.op("Less", place, graph.op("Unsqueeze", last, graph.constant([1], np.int64))),
        )  # excludes [CLS] and [SEP]
        first = graph.op("Gather", hidden, graph.constant(0, np.int64), axis=1)
        return {"cls": first, "mean": self._mean(hidden, inside)}

    def _mean(self, hidden: Value, included: Value) -> Value:
        """Return the mean [B, H] of included positions [B, P]."""
        graph, axis = self._graph, self._graph.constant([1], np.int64)
        weights = graph.op("Cast", graph.op("Unsqueeze", included, graph.constant([2], np.int64)), to=TensorProto.FLOAT)
        total = graph.op("ReduceSum", graph.op("Mul", hidden, weights), axis, keepdims=0)
        count = graph.op("Max", graph.op("ReduceSum", weights, axis, keepdims=0), graph.constant(1))
        return graph.op("Div", total, count)

    def _linear(self, name: str) -> Linear:
        return Linear(name, self._weights[f"{name}.weight"].T, self._weights[f"{name}.bias"])

    def _normalise(self, summed: Value, name: str) -> Normalisation:
        graph, epsilon = self._graph, self._config.layer_norm_eps
        weight, bias = (self._weights[f"{name}.LayerNorm.{part}"] for part in ("weight", "bias"))
        rows = graph.op(
            "LayerNormalization",
            summed,
            graph.weight(f"{name}.LayerNorm.weight", weight),
            graph.weight(f"{name}.LayerNorm.bias", bias),
            epsilon=epsilon,
        )
        return Normalisation(name, summed, rows, weight, bias, epsilon)

    def _by_head(self, rows: Value, length: Value) -> Value:
        """Reshape rows to [length, B, heads, head size]."""
        heads = self._config.num_attention_heads
        shape = [heads, self._config.hidden_size // heads]
        split = self._graph.op("Concat", length, self._batch, self._graph.constant(shape, np.int64), axis=0)
        return self._graph.op("Reshape", rows, split)

    def _as_rows(self, value: Value) -> Value:
        return self._graph.op("Reshape", value, self._graph.constant([-1, self._config.hidden_size], np.int64))

    def _by_sentence(self, rows: Value, count: Value) -> Value:
        """Reshape rows [count*B, width] to [B, count, width]."""
        shape = self._graph.op("Concat", count, self._batch, self._graph.constant([-1], np.int64), axis=0)
        return self._graph.op("Transpose", self._graph.op("Reshape", rows, shape), perm=[1, 0, 2])

    def _size(self, name: str, axis: int) -> Value:
        return self._graph.op("Shape", Value(name), start=axis, end=axis + 1)
