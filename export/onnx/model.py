"""Write the light engine's ONNX file and measure it."""

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
"""The signatures of the light file. It omits ``serving_default``, whose logits the light engine does not serve."""


def write_onnx(
    path: Path,
    checkpoint: Checkpoint,
    calibration: Calibration,
    whitening: Whitening,
    *,
    top_k: int,
) -> Agreement | None:
    """Write a checkpoint in 8-bit integers and measure it.

    Args:
        path: the file.
        checkpoint: the checkpoint, each of whose weights is read once.
        calibration: the results of the float32 run.
        whitening: of the sentence vectors, stored in float32.
        top_k: the maximum number of answers for each mask.

    Returns:
        The agreement with float32 on held-out sentences, or None if too few of their tokens are known.
    """
    onnx.save(_build(checkpoint, calibration.statistics, whitening, top_k), path)
    return measure(path, calibration.answers)


def add_metadata(path: Path, metadata: Mapping[str, str]) -> None:
    """Append metadata for the server to a finished file.

    Protocol Buffers messages merge by concatenation, so the weights are not read again
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
