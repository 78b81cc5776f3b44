"""Build BERT for masked language modelling as an ONNX graph.

The architecture is that of Devlin et al. (2018, https://arxiv.org/abs/1810.04805). One graph serves all signatures. The
last layer runs only for ``positions`` (the masks for fill_mask, every token for features), and the head only for the
first ``answers`` of them. ONNX Runtime computes all outputs, even those that are not fetched; these are cheap with 1
answer and 1 candidate.

| input | shape | |
|---|---|---|
| ``input_ids`` | [B, S] | |
| ``lengths`` | [B] | the attention mask is made from it |
| ``positions`` | [B, P] | each within its sentence |
| ``answers`` | [1] | M, from 1 to P |
| ``candidate_ids`` | [B, C] | for ``candidate_scores`` |

The T tokens of all sentences are packed into one matrix without padding, so that a layer is one product instead of B,
and mixed lengths cost nothing. Only attention needs padded slots [S, B], with the position first: in this order, its
products need no transposition of the heads (``FusedMatMul``).
"""

import math

import numpy as np
from onnx import TensorProto

from export.checkpoint import BertConfig, Checkpoint
from export.checkpoint.config import Activation
from export.onnx.graph import Graph, Value
from export.onnx.products import Linear, Normalisation, Products

INPUTS = {
    "input_ids": ("B", "S"),
    "lengths": ("B",),
    "positions": ("B", "P"),
    "answers": (1,),
    "candidate_ids": ("B", "C"),
}

Types = dict[str, tuple[int, tuple[str | int, ...]]]

_MASKED = float(np.finfo(np.float32).min)
_HEAD = "cls.predictions"
_OPERATIONS: dict[Activation, str] = {"gelu_new": "FastGelu", "relu": "Relu"}  # exact GELU comes from the products


def output_types(config: BertConfig, top_k: int) -> Types:
    """Return the ONNX type and shape of each output."""
    return {
        "token_ids": (TensorProto.INT32, ("B", "M", top_k)),
        "scores": (TensorProto.FLOAT, ("B", "M", top_k)),
        "candidate_scores": (TensorProto.FLOAT, ("B", "M", "C")),
        "cls": (TensorProto.FLOAT, ("B", config.hidden_size)),
        "mean": (TensorProto.FLOAT, ("B", config.hidden_size)),
        "attention": (TensorProto.FLOAT, ("B", "P", "S")),
    }


class OnnxBert:
    """Builds a checkpoint's graph with float32 or integer products."""

    def __init__(self, graph: Graph, products: Products, checkpoint: Checkpoint, top_k: int) -> None:
        self._graph = graph
        self._products = products
        self._config = checkpoint.config
        self._weights = checkpoint.weights
        self._named = np.array([token != "" for token in checkpoint.tokens])
        self._top_k = top_k
        self._batch = self._size("input_ids", 0)
        self._length = self._size("input_ids", 1)
        self._picked = self._size("positions", 1)
        self._answers = graph.op("Cast", Value("answers"), to=TensorProto.INT64)
        self._rows, self._slots = self._row_slot_maps()

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
            **self._features(self._by_sentence(hidden, self._picked)),
            "attention": attention,
        }

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
        seen = graph.op("Less", graph.op("Unsqueeze", self._range(self._length), axis), Value("lengths"))
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
        return self._normalise(graph.op("Add", words, places), "bert.embeddings")

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

    def _activate(self, rows: Value) -> Value:
        operation = _OPERATIONS.get(self._config.hidden_act)
        return self._graph.op(operation, rows) if operation else self._products.gelu(rows)

    def _candidate_scores(self, probabilities: Value) -> Value:
        """Return the probabilities of the candidates [B, M, C]."""
        graph = self._graph
        shape = graph.op("Concat", self._answers, graph.op("Shape", Value("candidate_ids")), axis=0)
        every = graph.op("Expand", Value("candidate_ids"), shape)
        flat = graph.op("Concat", graph.constant([-1], np.int64), self._size("candidate_ids", 1), axis=0)
        found = graph.op("GatherElements", probabilities, graph.op("Reshape", every, flat), axis=-1)
        return self._by_sentence(found, self._answers)

    def _features(self, hidden: Value) -> dict[str, Value]:
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
        axis = graph.constant([1], np.int64)
        weights = graph.op("Cast", graph.op("Unsqueeze", inside, graph.constant([2], np.int64)), to=TensorProto.FLOAT)
        total = graph.op("ReduceSum", graph.op("Mul", hidden, weights), axis, keepdims=0)
        count = graph.op("Max", graph.op("ReduceSum", weights, axis, keepdims=0), graph.constant(1))
        first = graph.op("Gather", hidden, graph.constant(0, np.int64), axis=1)
        return {"cls": first, "mean": graph.op("Div", total, count)}

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
