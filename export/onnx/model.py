"""Write the light engine's ONNX file and measure it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import onnx

from export.checkpoint import Checkpoint
from export.onnx.agreement import WHITENING_KERNEL, WHITENING_MEAN, Agreement, Answers, measure
from export.onnx.calibration import Calibration
from export.onnx.classifier_agreement import ClassifierAgreement, ClassifierAnswers, measure_classifier
from export.onnx.graph import Graph, Value
from export.onnx.heads import create_bert
from export.onnx.integer import Integer
from export.onnx.mapping import save_mapped
from export.onnx.statistics import Statistics
from export.task import Task
from export.whitening import Whitening

ONNX_FILE = "assets.extra/model.int8.onnx"
SIGNATURES: Mapping[Task, tuple[str, ...]] = {
    "fill_mask": ("fill_mask", "score_tokens", "features", "explain", "tokenizer"),
    "text_classification": ("classify", "classify_examples", "features", "tokenizer"),
}
"""The signatures of the light file. It omits ``serving_default``, whose logits the light engine does not serve."""


def write_onnx(
    path: Path,
    checkpoint: Checkpoint,
    calibration: Calibration,
    whitening: Whitening,
    *,
    top_k: int,
) -> Agreement | ClassifierAgreement | None:
    """Write a checkpoint in 8-bit integers and measure it.

    Args:
        path: the file; its weights are written beside it (see ``mapping``).
        checkpoint: the checkpoint, each of whose weights is read once.
        calibration: the results of the float32 run.
        whitening: of the sentence vectors, stored in float32.
        top_k: the maximum number of answers for each mask of a masked language model.

    Returns:
        The agreement with float32 on held-out sentences, or None if too few of their tokens are known.
    """
    save_mapped(_build(checkpoint, calibration.statistics, whitening, top_k), path)
    return compare_answers(path, calibration.answers)


def compare_answers(
    path: Path, answers: Sequence[Answers] | Sequence[ClassifierAnswers]
) -> Agreement | ClassifierAgreement | None:
    """Compare a light file with float32's answers."""
    of_classifier = [answer for answer in answers if isinstance(answer, ClassifierAnswers)]
    if of_classifier:
        return measure_classifier(path, of_classifier)
    return measure(path, [answer for answer in answers if isinstance(answer, Answers)])


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
    bert = create_bert(graph, products, checkpoint, top_k)
    outputs = bert.outputs()
    outputs["whitened"] = _whiten(graph, outputs["mean"], whitening)
    for name, value in outputs.items():
        graph.name(value, name)
    whitened = (onnx.TensorProto.FLOAT, ("B", whitening.kernel.shape[1]))
    return graph.model(bert.inputs, {**bert.types, "whitened": whitened})


def _whiten(graph: Graph, vectors: Value, whitening: Whitening) -> Value:
    centred = graph.op("Sub", vectors, graph.weight(WHITENING_MEAN, whitening.mean))
    return graph.op("MatMul", centred, graph.weight(WHITENING_KERNEL, whitening.kernel))
