"""Put the light engine's file together: the graph, what a server must know, and how true it is."""

from collections.abc import Mapping
from pathlib import Path

import onnx

from export.checkpoint import Checkpoint
from export.onnx.agreement import WHITENING_KERNEL, WHITENING_MEAN, Agreement, measure
from export.onnx.bert import INPUTS, OnnxBert, output_types
from export.onnx.calibration import Calibration
from export.onnx.graph import Graph, Value
from export.onnx.integer import Integer
from export.onnx.statistics import Statistics
from export.whitening import Whitening

ONNX_FILE = "assets.extra/model.int8.onnx"
SIGNATURES = ("fill_mask", "score_tokens", "features", "explain", "tokenizer")
"""The signatures that the file answers: all but ``serving_default``, whose logits no light service sends."""


def write_onnx(
    path: Path,
    checkpoint: Checkpoint,
    calibration: Calibration,
    whitening: Whitening,
    *,
    top_k: int,
) -> Agreement | None:
    """Write a checkpoint in 8-bit integers and measure how it answers beside float32.

    Args:
        path: the file.
        checkpoint: the weights, each read once.
        calibration: what the checkpoint does in float32.
        whitening: of the sentence vectors; it stays in float32.
        top_k: how many answers there are for each mask, at most.

    Returns:
        The agreement on sentences that the integers were not fitted to; None if the checkpoint knows too few of their
        tokens.
    """
    onnx.save(_build(checkpoint, calibration.statistics, whitening, top_k), path)
    return measure(path, calibration.answers)


def add_metadata(path: Path, metadata: Mapping[str, str]) -> None:
    """Add what a server must know to a finished file.

    Messages of Protocol Buffers merge by concatenation, so the weights need not be read again
    (https://protobuf.dev/programming-guides/encoding/#last-one-wins).
    """
    addition = onnx.ModelProto()
    onnx.helper.set_model_props(addition, dict(metadata))
    with path.open("ab") as file:
        file.write(addition.SerializeToString(deterministic=True))


def _build(
    checkpoint: Checkpoint,
    statistics: Mapping[str, Statistics],
    whitening: Whitening,
    top_k: int,
) -> onnx.ModelProto:
    graph = Graph()
    products = Integer(graph, checkpoint.weights["bert.embeddings.word_embeddings.weight"], statistics)
    outputs = OnnxBert(graph, products, checkpoint, top_k).outputs()
    outputs["whitened"] = _whiten(graph, outputs["mean"], whitening)
    for name, value in outputs.items():
        graph.name(value, name)
    types = output_types(checkpoint.config, top_k)
    types["whitened"] = (onnx.TensorProto.FLOAT, ("B", whitening.kernel.shape[1]))
    return graph.model(INPUTS, types)


def _whiten(graph: Graph, vectors: Value, whitening: Whitening) -> Value:
    centred = graph.op("Sub", vectors, graph.weight(WHITENING_MEAN, whitening.mean))
    return graph.op("MatMul", centred, graph.weight(WHITENING_KERNEL, whitening.kernel))
