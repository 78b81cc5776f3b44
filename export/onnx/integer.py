"""Quantise the graph's matrix products to 8-bit integers.

BERT spends nearly all its time in products of activations with weights. ``Integer`` runs them as uint8 x int8, which a
processor with VNNI computes nearly four times as fast as float32, in a quarter of the memory:

- weights have one scale per output and are rounded so that no processor saturates (``rounding``);
- the output of a layer normalisation has one static scale, calibrated on sample text. Each column is first shifted to
  the middle of its range (Outlier Suppression+, Wei et al. 2023, https://arxiv.org/abs/2304.09145), and outliers are
  moved from the activations' columns into the weights' rows (SmoothQuant, Xiao et al. 2022,
  https://arxiv.org/abs/2211.10438);
- all other activations have one dynamic scale per token, computed at run time from its largest value;
- the head of a masked language model, which runs only for the masks, splits each row into two 7-bit parts, a coarse
  value and its remainder; the head of a classifier stays in float32.

No scale depends on the other rows of a batch, so batching does not change a sentence's answer. (ONNX Runtime's own
dynamic quantisation has one scale per tensor: it takes the same time, but mixes the sentences of a batch.)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from export.onnx.graph import Graph, Value
from export.onnx.products import TOKENS, Array, Linear, Normalisation
from export.onnx.rounding import BYTE, round_kernel
from export.onnx.statistics import Statistics

SMOOTHING = 0.8
"""SmoothQuant's alpha, the share of an outlier that moves from the activations into the weights.

Higher than the paper's 0.5, because the rounding of weights is compensated and that of activations is not."""

PART_ZERO = 64
"""The zero point of a 7-bit part."""

PART_BYTE = 127
"""The largest byte of a 7-bit part."""

_LARGEST = 127
_ZERO = 128  # zero point
_PART_LARGEST = 63
_GELU_ZERO = 16  # zero point after a GELU, whose minimum of -0.17 leaves more steps for positive values
_GELU_LOWEST = 0.17


class Integer:
    """Add products in 8-bit integers to a graph.

    Args:
        graph: the graph that the nodes are added to.
        embeddings: a row for each token; in int8 they are both the first layer's table and the last layer's kernel.
        statistics: of each product's input rows, by the name of the layer normalisation or of the layer.
    """

    def __init__(self, graph: Graph, embeddings: Array, statistics: Mapping[str, Statistics]) -> None:
        self._graph = graph
        self._statistics = statistics
        integers, scales = round_kernel(embeddings.T, byte=PART_BYTE)
        if TOKENS in statistics:  # of a masked language model, whose last layer they are too
            self._lost = (embeddings - integers.T * scales[:, np.newaxis]) @ statistics[TOKENS].mean
        self._embeddings = graph.weight("embeddings", integers.T)
        self._embedding_scales = graph.weight("embeddings.scales", scales[:, np.newaxis])

    def embed(self, token_ids: Value) -> Value:
        """Return the embeddings of token ids."""
        graph = self._graph
        integers = graph.op("Gather", self._embeddings, token_ids)
        scales = graph.op("Gather", self._embedding_scales, token_ids)
        return graph.op("Mul", graph.op("Cast", integers, to=TensorProto.FLOAT), scales)

    def unembed(self, rows: Value, bias: Array) -> Value:
        """Return the products of rows with each token's embedding."""
        graph = self._graph
        kernel = graph.op("Transpose", self._embeddings, perm=[1, 0])  # constant-folded when the model is loaded
        scales = graph.op("Reshape", self._embedding_scales, graph.constant([-1], np.int64))
        product = self._two_part_product(rows, kernel, scales)
        return self._biased(product, TOKENS, bias, self._lost)

    def normalised(self, normal: Normalisation, layers: Sequence[Linear]) -> "_IntegerRows":
        """Quantise a layer normalisation's rows once for all following layers.

        The shift and the smoothing factors of the columns are folded into a second layer normalisation.
        """
        graph, found = self._graph, self._statistics[normal.name]
        # Outlier Suppression+ shifts each column to the middle of its range; SmoothQuant divides it by ``smooth``.
        middle: Array = (found.low + found.high) / np.float32(2)
        reach = np.maximum(found.high - middle, 1e-5)
        weights = np.maximum(np.max([np.abs(layer.kernel).max(axis=1) for layer in layers], axis=0), 1e-5)
        smooth = (reach**SMOOTHING / weights ** (1 - SMOOTHING)).astype(np.float32)
        scale = float((reach / smooth).max()) / _LARGEST
        smoothed = graph.op(
            "LayerNormalization",
            normal.summed,
            graph.weight(f"{normal.name}.smoothed.weight", normal.weight / smooth),
            graph.weight(f"{normal.name}.smoothed.bias", (normal.bias - middle) / smooth),
            epsilon=normal.epsilon,
        )
        zero = graph.constant(_ZERO, np.uint8)
        quantised = graph.op("QuantizeLinear", smoothed, graph.constant(scale), zero)
        kernels = _round_smoothed(layers, smooth, found.covariance(smooth, step=scale))
        return _IntegerRows(graph, quantised, scale, smooth, middle, found.mean, kernels)

    def apply(self, rows: Value, layer: Linear, *, after_gelu: bool = False) -> Value:
        """Apply a layer to rows quantised by their own scales."""
        found = self._statistics[layer.name]
        steps = BYTE - _GELU_ZERO if after_gelu else _LARGEST
        kernel, scales, lost = _rounded(self._graph, layer, found.covariance(step=found.peak / steps))
        product = self._per_row_product(rows, kernel, scales, after_gelu=after_gelu)
        return self._biased(product, layer.name, layer.bias, found.mean @ lost)

    def apply_precisely(self, rows: Value, layer: Linear) -> Value:
        """Quantise each row in two parts and apply a layer.

        A product of few rows is bound by reading the kernel, so twice as many rows take hardly longer.
        """
        found = self._statistics[layer.name]
        step = found.peak / _PART_LARGEST / (2 * _PART_LARGEST)
        kernel, scales, lost = _rounded(self._graph, layer, found.covariance(step=step), byte=PART_BYTE)
        product = self._two_part_product(rows, kernel, scales)
        return self._biased(product, layer.name, layer.bias, found.mean @ lost)

    def apply_in_float(self, rows: Value, layer: Linear) -> Value:
        """Apply a layer whose kernel stays in float32."""
        graph = self._graph
        kernel = graph.weight(f"{layer.name}.kernel", layer.kernel)
        bias = None if layer.bias is None else graph.weight(f"{layer.name}.bias", layer.bias)
        return graph.op("Gemm", rows, kernel, bias)

    def gelu(self, rows: Value) -> Value:
        """Return GELU approximated by tanh.

        This saves 2 % of the total time; the error is at most 0.0005.
        """
        return self._graph.op("FastGelu", rows)

    def _per_row_product(self, rows: Value, kernel: Value, scales: Value, *, after_gelu: bool) -> Value:
        graph = self._graph
        last = graph.constant([-1], np.int64)
        if after_gelu:
            scale = graph.op("Mul", graph.op("ReduceMax", rows, last), graph.constant(1 / (BYTE - _GELU_ZERO)))
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

    def _two_part_product(self, rows: Value, kernel: Value, scales: Value) -> Value:
        graph = self._graph
        last = graph.constant([-1], np.int64)
        largest = graph.op("ReduceMax", graph.op("Abs", rows), last)
        scale = graph.op("Max", graph.op("Mul", largest, graph.constant(1 / _PART_LARGEST)), graph.constant(1e-9))
        fine = graph.op("Mul", scale, graph.constant(1 / (2 * _PART_LARGEST)))  # the remainder is at most half a step
        zero = graph.constant(PART_ZERO, np.uint8)
        each, each_fine = (graph.op("Squeeze", value, last) for value in (scale, fine))
        zeros = graph.op("Expand", zero, graph.op("Shape", each))
        # Both parts run as rows of one product, which reads the kernel once.
        coarse = graph.op("QuantizeLinear", rows, each, zeros, axis=0)
        lost = graph.op("Sub", rows, graph.op("DequantizeLinear", coarse, each, zeros, axis=0))
        parts = graph.op("Concat", coarse, graph.op("QuantizeLinear", lost, each_fine, zeros, axis=0), axis=0)
        product = graph.op("MatMulIntegerToFloat", parts, kernel, graph.constant(1), scales, zero)
        product = graph.op("Mul", product, graph.op("Concat", scale, fine, axis=0))
        halves = graph.ops("Split", product, outputs=2, axis=0, num_outputs=2)
        return graph.op("Add", *halves)

    def _biased(self, product: Value, name: str, bias: Array | None, lost: Array) -> Value:
        """Add a bias and the kernel's mean rounding error."""
        total = lost if bias is None else bias + lost
        return self._graph.op("Add", product, self._graph.weight(f"{name}.bias", total))


Rounded = tuple[NDArray[np.int8], Array]


@dataclass(frozen=True, slots=True)
class _IntegerRows:
    graph: Graph
    quantised: Value
    scale: float
    smooth: Array
    middle: Array
    mean: Array
    kernels: Mapping[str, Rounded]

    def pick(self, places: Value) -> "_IntegerRows":
        return replace(self, quantised=self.graph.op("Gather", self.quantised, places, axis=0))

    def apply(self, layer: Linear) -> Value:
        graph = self.graph
        integers, scales = self.kernels[layer.name]
        lost = layer.kernel * self.smooth[:, np.newaxis] - integers * scales
        # The bias restores the shift and adds the mean rounding error of the kernel.
        bias = (0 if layer.bias is None else layer.bias) + self.middle @ layer.kernel
        bias += (self.mean - self.middle) / self.smooth @ lost
        return graph.op(
            "MatMulIntegerToFloat",
            self.quantised,
            graph.weight(f"{layer.name}.kernel", integers),
            graph.constant(self.scale),
            graph.weight(f"{layer.name}.scales", scales),
            graph.constant(_ZERO, np.uint8),
            None,
            graph.weight(f"{layer.name}.bias", bias),
        )


def _round_smoothed(layers: Sequence[Linear], smooth: Array, covariance: Array) -> dict[str, Rounded]:
    """Round the kernels of several layers as one.

    The layers have the same input. The result is the same, since outputs are rounded independently.
    """
    together = np.concatenate([layer.kernel for layer in layers], axis=1) * smooth[:, np.newaxis]
    integers, scales = round_kernel(together, covariance)
    ends = np.cumsum([layer.kernel.shape[1] for layer in layers])[:-1]
    parts = zip(np.split(integers, ends, axis=1), np.split(scales, ends), strict=True)
    return dict(zip([layer.name for layer in layers], parts, strict=True))


def _rounded(graph: Graph, layer: Linear, covariance: Array, *, byte: int = BYTE) -> tuple[Value, Value, Array]:
    """Return a layer's int8 kernel, output scales and rounding error."""
    integers, scales = round_kernel(layer.kernel, covariance, byte=byte)
    return (
        graph.weight(f"{layer.name}.kernel", integers),
        graph.weight(f"{layer.name}.scales", scales),
        layer.kernel - integers * scales,
    )
