"""The matrix products of the graph: in float32, or in 8-bit integers.

Nearly all the time of BERT goes into products of activations with weights. ``Integer`` runs them as uint8 x int8, which
a processor with VNNI does nearly four times as fast as float32, on a quarter of the memory:

- weights: one scale for each output, symmetric;
- what comes out of a layer normalisation: one scale, fixed at export from sample text, after outliers have been
  moved from the activations' columns into the weights' rows (SmoothQuant, Xiao et al. 2022,
  https://arxiv.org/abs/2211.10438);
- everything else: one scale for each token, found at run time from its largest value.

No scale depends on the other rows of a batch, so a sentence gets the same answer alone and in company. (ONNX Runtime's
own dynamic quantisation has one scale for a whole tensor: it takes the same time, but mixes the sentences of a batch.)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from export.onnx.graph import Graph, Value

Array = NDArray[np.float32]

SMOOTHING = 0.5
"""How much of an outlier goes from the activations into the weights: SmoothQuant's alpha."""

_LARGEST = 127
_ZERO = 128  # the uint8 that stands for 0
_GELU_ZERO = 16  # the same after a GELU, which never falls below -0.17: more steps are left for what is positive
_GELU_LOWEST = 0.17


@dataclass(frozen=True, slots=True)
class Linear:
    """A linear layer: its name, its kernel [inputs, outputs] and, unless it can be left out, its bias [outputs]."""

    name: str
    kernel: Array
    bias: Array | None = None


class Products(Protocol):
    """Applies linear layers to rows [R, inputs], and the embeddings to token ids and back."""

    def embed(self, token_ids: Value) -> Value:
        """Return the embeddings of token ids, one more dimension at the end."""

    def unembed(self, rows: Value, bias: Array) -> Value:
        """Return the products of rows with each token's embedding, and a bias for each token."""

    def normalised(self, rows: Value, name: str, layers: Sequence[Linear]) -> "NormalisedRows":
        """Take rows from a layer normalisation, which this name stands for; layers are all that will be applied."""

    def apply(self, rows: Value, layer: Linear, *, after_gelu: bool = False) -> Value:
        """Apply a layer to any other rows."""

    def gelu(self, rows: Value) -> Value:
        """Return the Gaussian error linear units (Hendrycks and Gimpel, 2016)."""


class NormalisedRows(Protocol):
    """Rows from a layer normalisation."""

    def pick(self, places: Value) -> "NormalisedRows":
        """Return some of the rows."""

    def apply(self, layer: Linear) -> Value:
        """Apply one of the layers."""


class Float:
    """Products in float32; remembers the rows that ``Integer`` needs the ranges of.

    Args:
        graph: where the nodes go.
        embeddings: a row for each token.
    """

    def __init__(self, graph: Graph, embeddings: Array) -> None:
        self._graph = graph
        self._embeddings = graph.weight("embeddings", embeddings)
        self.observed: dict[str, Value] = {}

    def embed(self, token_ids: Value) -> Value:
        """Return the embeddings of token ids."""
        return self._graph.op("Gather", self._embeddings, token_ids)

    def unembed(self, rows: Value, bias: Array) -> Value:
        """Return the products of rows with each token's embedding."""
        graph = self._graph
        product = graph.op("MatMul", rows, graph.op("Transpose", self._embeddings, perm=[1, 0]))
        return graph.op("Add", product, graph.weight("tokens.bias", bias))

    def normalised(self, rows: Value, name: str, _: Sequence[Linear]) -> "_FloatRows":
        """Take rows from a layer normalisation."""
        self.observed[name] = rows
        return _FloatRows(self, self._graph, rows)

    def apply(self, rows: Value, layer: Linear, *, after_gelu: bool = False) -> Value:  # noqa: ARG002 - Integer's
        """Apply a layer."""
        product = self._graph.op("MatMul", rows, self._graph.weight(f"{layer.name}.kernel", layer.kernel))
        return _biased(self._graph, product, layer)

    def gelu(self, rows: Value) -> Value:
        """Return the Gaussian error linear units."""
        return self._graph.op("Gelu", rows)


@dataclass(frozen=True, slots=True)
class _FloatRows:
    products: Float
    graph: Graph
    rows: Value

    def pick(self, places: Value) -> "_FloatRows":
        return _FloatRows(self.products, self.graph, self.graph.op("Gather", self.rows, places, axis=0))

    def apply(self, layer: Linear) -> Value:
        return self.products.apply(self.rows, layer)


class Integer:
    """Products in 8-bit integers.

    Args:
        graph: where the nodes go.
        embeddings: a row for each token; in int8 they are both the first layer's table and the last one's kernel.
        ranges: the largest absolute value of each column of the rows from each layer normalisation, by name.
    """

    def __init__(self, graph: Graph, embeddings: Array, ranges: Mapping[str, Array]) -> None:
        self._graph = graph
        self._ranges = ranges
        integers, scales = quantise(embeddings, axis=1)
        self._embeddings = graph.weight("embeddings", integers)
        self._embedding_scales = graph.weight("embeddings.scales", scales)

    def embed(self, token_ids: Value) -> Value:
        """Return the embeddings of token ids."""
        graph = self._graph
        integers = graph.op("Gather", self._embeddings, token_ids)
        scales = graph.op("Gather", self._embedding_scales, token_ids)
        return graph.op("Mul", graph.op("Cast", integers, to=TensorProto.FLOAT), scales)

    def unembed(self, rows: Value, bias: Array) -> Value:
        """Return the products of rows with each token's embedding."""
        graph = self._graph
        kernel = graph.op("Transpose", self._embeddings, perm=[1, 0])  # done once, when the model is loaded
        scales = graph.op("Reshape", self._embedding_scales, graph.constant([-1], np.int64))
        product = self._by_row(rows, kernel, scales, after_gelu=False)
        return graph.op("Add", product, graph.weight("tokens.bias", bias))

    def normalised(self, rows: Value, name: str, layers: Sequence[Linear]) -> "_IntegerRows":
        """Quantise rows from a layer normalisation once for all layers that follow."""
        graph = self._graph
        columns = np.maximum(self._ranges[name], 1e-5)
        weights = np.maximum(np.max([np.abs(layer.kernel).max(axis=1) for layer in layers], axis=0), 1e-5)
        smooth = (columns**SMOOTHING / weights ** (1 - SMOOTHING)).astype(np.float32)
        scale = float((columns / smooth).max()) / _LARGEST
        smoothed = graph.op("Mul", rows, graph.weight(f"{name}.smooth", 1 / smooth))
        zero = graph.constant(_ZERO, np.uint8)
        return _IntegerRows(graph, graph.op("QuantizeLinear", smoothed, graph.constant(scale), zero), scale, smooth)

    def apply(self, rows: Value, layer: Linear, *, after_gelu: bool = False) -> Value:
        """Quantise each row by its own scale, and apply a layer."""
        kernel, scales = _quantised(self._graph, layer)
        return _biased(self._graph, self._by_row(rows, kernel, scales, after_gelu=after_gelu), layer)

    def gelu(self, rows: Value) -> Value:
        """Return the Gaussian error linear units by tanh: 2 % of all time faster, and 0.0005 off at most."""
        return self._graph.op("FastGelu", rows)

    def _by_row(self, rows: Value, kernel: Value, scales: Value, *, after_gelu: bool) -> Value:
        graph = self._graph
        last = graph.constant([-1], np.int64)
        if after_gelu:
            scale = graph.op("Mul", graph.op("ReduceMax", rows, last), graph.constant(1 / (255 - _GELU_ZERO)))
            least, zero = _GELU_LOWEST / _GELU_ZERO, graph.constant(_GELU_ZERO, np.uint8)
        else:
            largest = graph.op("ReduceMax", graph.op("Abs", rows), last)
            scale = graph.op("Mul", largest, graph.constant(1 / _LARGEST))
            least, zero = 1e-9, graph.constant(_ZERO, np.uint8)
        scale = graph.op("Max", scale, graph.constant(least))  # [R, 1]
        each = graph.op("Squeeze", scale, last)
        zeros = graph.op("Expand", zero, graph.op("Shape", each))
        quantised = graph.op("QuantizeLinear", rows, each, zeros, axis=0)
        product = graph.op("MatMulIntegerToFloat", quantised, kernel, graph.constant(1), scales, zero)
        return graph.op("Mul", product, scale)


@dataclass(frozen=True, slots=True)
class _IntegerRows:
    graph: Graph
    quantised: Value
    scale: float
    smooth: Array

    def pick(self, places: Value) -> "_IntegerRows":
        picked = self.graph.op("Gather", self.quantised, places, axis=0)
        return _IntegerRows(self.graph, picked, self.scale, self.smooth)

    def apply(self, layer: Linear) -> Value:
        graph = self.graph
        kernel, scales = _quantised(graph, Linear(layer.name, layer.kernel * self.smooth[:, None]))
        bias = None if layer.bias is None else graph.weight(f"{layer.name}.bias", layer.bias)
        zero = graph.constant(_ZERO, np.uint8)
        return graph.op(
            "MatMulIntegerToFloat", self.quantised, kernel, graph.constant(self.scale), scales, zero, None, bias
        )


def _quantised(graph: Graph, layer: Linear) -> tuple[Value, Value]:
    """Return a layer's kernel in int8 and the scale of each of its outputs."""
    integers, scales = quantise(layer.kernel, axis=0)
    return graph.weight(f"{layer.name}.kernel", integers), graph.weight(f"{layer.name}.scales", scales[0])


def quantise(values: Array, axis: int) -> tuple[NDArray[np.int8], Array]:
    """Return values as int8 and the scales that bring them back, one for each slice along the axis."""
    scales = np.maximum(np.abs(values).max(axis=axis, keepdims=True), 1e-12) / _LARGEST
    return np.round(values / scales).astype(np.int8), scales.astype(np.float32)


def _biased(graph: Graph, product: Value, layer: Linear) -> Value:
    if layer.bias is None:
        return product
    return graph.op("Add", product, graph.weight(f"{layer.name}.bias", layer.bias))
