"""Define matrix products and implement them in float32.

``Float`` is the reference. It records the inputs of each product, from which ``export.onnx.integer`` gets statistics.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from export.onnx.graph import Graph, Value

Array = NDArray[np.float32]

TOKENS = "tokens"
"""The name of the product with each token's embedding."""


@dataclass(frozen=True, slots=True)
class Linear:
    """A linear layer.

    The kernel is [inputs, outputs], the optional bias [outputs].
    """

    name: str
    kernel: Array
    bias: Array | None = None


@dataclass(frozen=True, slots=True)
class Normalisation:
    """A layer normalisation with its input, output and weights.

    Weight and bias are [width].
    """

    name: str
    summed: Value
    rows: Value
    weight: Array
    bias: Array
    epsilon: float


class Products(Protocol):
    """Apply linear layers to rows and embed token ids."""

    def embed(self, token_ids: Value) -> Value:
        """Return token embeddings in a new last dimension."""

    def unembed(self, rows: Value, bias: Array) -> Value:
        """Return the products with each token's embedding, plus bias."""

    def normalised(self, normal: Normalisation, layers: Sequence[Linear]) -> "NormalisedRows":
        """Prepare a layer normalisation's rows for the following layers."""

    def apply(self, rows: Value, layer: Linear, *, after_gelu: bool = False) -> Value:
        """Apply a layer to rows that no layer normalisation returned."""

    def apply_precisely(self, rows: Value, layer: Linear) -> Value:
        """Apply a layer to few rows at higher precision."""

    def apply_in_float(self, rows: Value, layer: Linear) -> Value:
        """Apply a small layer in float32."""

    def gelu(self, rows: Value) -> Value:
        """Return the Gaussian error linear units (Hendrycks and Gimpel, 2016)."""


class NormalisedRows(Protocol):
    """Rows from a layer normalisation."""

    def pick(self, places: Value) -> "NormalisedRows":
        """Return some of the rows."""

    def apply(self, layer: Linear) -> Value:
        """Apply one of the layers."""


class Float:
    """Add float32 products to a graph and record their inputs.

    Args:
        graph: the graph that the nodes are added to.
        embeddings: a row for each token.

    Attributes:
        observed: each product's input rows, by the name of the layer normalisation or of the layer.
        observed_at_masks: the same for the head, which runs only for the masks.
    """

    def __init__(self, graph: Graph, embeddings: Array) -> None:
        self._graph = graph
        self._embeddings = graph.parameter("embeddings", embeddings)
        self.observed: dict[str, Value] = {}
        self.observed_at_masks: dict[str, Value] = {}

    def embed(self, token_ids: Value) -> Value:
        """Return the embeddings of token ids."""
        return self._graph.op("Gather", self._embeddings, token_ids)

    def unembed(self, rows: Value, bias: Array) -> Value:
        """Return the products of rows with each token's embedding."""
        graph = self._graph
        self.observed_at_masks[TOKENS] = rows
        return graph.op("Gemm", rows, self._embeddings, graph.weight(f"{TOKENS}.bias", bias), transB=1)

    def normalised(self, normal: Normalisation, _: Sequence[Linear]) -> "_FloatRows":
        """Prepare a layer normalisation's rows for the following layers."""
        self.observed[normal.name] = normal.rows
        return _FloatRows(self._graph, normal.rows)

    def apply(self, rows: Value, layer: Linear, *, after_gelu: bool = False) -> Value:  # noqa: ARG002 - Integer's
        """Apply a layer."""
        self.observed[layer.name] = rows
        return _apply_float(self._graph, rows, layer)

    def apply_precisely(self, rows: Value, layer: Linear) -> Value:
        """Apply a layer."""
        self.observed_at_masks[layer.name] = rows
        return _apply_float(self._graph, rows, layer)

    def apply_in_float(self, rows: Value, layer: Linear) -> Value:
        """Apply a layer."""
        return _apply_float(self._graph, rows, layer)

    def gelu(self, rows: Value) -> Value:
        """Return the Gaussian error linear units."""
        return self._graph.op("Gelu", rows)


@dataclass(frozen=True, slots=True)
class _FloatRows:
    graph: Graph
    rows: Value

    def pick(self, places: Value) -> "_FloatRows":
        return _FloatRows(self.graph, self.graph.op("Gather", self.rows, places, axis=0))

    def apply(self, layer: Linear) -> Value:
        return _apply_float(self.graph, self.rows, layer)


def _apply_float(graph: Graph, rows: Value, layer: Linear) -> Value:
    # [outputs, inputs], the layout of the checkpoint, avoids a copy.
    kernel = graph.parameter(f"{layer.name}.kernel", layer.kernel.T)
    bias = None if layer.bias is None else graph.weight(f"{layer.name}.bias", layer.bias)
    return graph.op("Gemm", rows, kernel, bias, transB=1)
