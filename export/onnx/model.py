"""Put the light engine's file together: the graph, what a server must know, and how true it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from bert_mlm_client.tokens import Encoded

from export.checkpoint import Checkpoint
from export.onnx.bert import INPUTS, OnnxBert, output_types
from export.onnx.calibration import Answers, answer, observe, open_session, read_sample
from export.onnx.graph import Graph, Value
from export.onnx.products import Integer
from export.whitening import Whitening

ONNX_FILE = "assets.extra/model.int8.onnx"
SIGNATURES = ("fill_mask", "score_tokens", "features", "explain", "tokenizer")
"""The signatures that the file answers: all but ``serving_default``, whose logits no light service sends."""

WHITENING_MEAN, WHITENING_KERNEL = "whitening.mean", "whitening.kernel"


@dataclass(frozen=True, slots=True)
class Agreement:
    """How the integers answer the sample sentences, beside float32.

    Attributes:
        masks: how many answers were compared.
        same_best: the share with the same best token.
        log_probability: the mean change of the best token's log-probability, where the best token is the same.
    """

    masks: int
    same_best: float
    log_probability: float


def write_onnx(
    path: Path, checkpoint: Checkpoint, whitening: Whitening, metadata: Mapping[str, str], top_k: int
) -> Agreement:
    """Write a checkpoint in 8-bit integers, and say how it answers beside float32.

    Args:
        path: the file.
        checkpoint: the weights.
        whitening: of the sentence vectors; it stays in float32.
        metadata: what the file says about itself to a server.
        top_k: how many answers there are for each mask, at most.
    """
    sample = read_sample(checkpoint)
    ranges, answers = observe(checkpoint, sample)
    graph = Graph()
    products = Integer(graph, checkpoint.weights["bert.embeddings.word_embeddings.weight"], ranges)
    outputs = OnnxBert(graph, products, checkpoint.config, checkpoint.weights, top_k).outputs()
    outputs["whitened"] = _whiten(graph, outputs["mean"], whitening)
    for name, value in outputs.items():
        graph.name(value, name)
    types = output_types(checkpoint.config, top_k)
    types["whitened"] = (onnx.TensorProto.FLOAT, ("B", whitening.kernel.shape[1]))
    onnx.save(graph.model(INPUTS, types, metadata), path)
    return _agreement(path, sample, answers)


def _whiten(graph: Graph, vectors: Value, whitening: Whitening) -> Value:
    centred = graph.op("Sub", vectors, graph.weight(WHITENING_MEAN, whitening.mean))
    return graph.op("MatMul", centred, graph.weight(WHITENING_KERNEL, whitening.kernel))


def _agreement(path: Path, sample: Sequence[Encoded], answers: Answers) -> Agreement:
    session = open_session(path)
    same, moved = [], []
    for sentence, (token_ids, scores) in zip(sample, answers, strict=True):
        own_ids, own_scores = answer(session, sentence)
        same.append(own_ids == token_ids)
        moved.append(np.abs(np.log(own_scores) - np.log(scores))[own_ids == token_ids])
    agreeing = np.concatenate(same)
    changes = np.concatenate(moved)
    return Agreement(agreeing.size, float(agreeing.mean()), float(changes.mean()) if changes.size else 0.0)
