"""Find how far the activations of a checkpoint reach, on sample text."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from bert_mlm_client.errors import InputError
from bert_mlm_client.onnx_runtime import onnxruntime as ort
from bert_mlm_client.tokens import Encoded, Tokenizer
from bert_mlm_client.vocabulary import TokenizerConfig, Vocabulary
from numpy.typing import NDArray
from onnx import TensorProto

from export.checkpoint import Checkpoint
from export.onnx.bert import INPUTS, OnnxBert, output_types
from export.onnx.graph import Graph
from export.onnx.products import Array, Float

SAMPLE = Path(__file__).with_name("calibration.txt")
"""Sentences of everyday, technical, literary and classical Chinese, one a line, each with a [MASK]."""

Answers = list[tuple[Array, Array]]


def read_sample(checkpoint: Checkpoint) -> list[Encoded]:
    """Return the sample as this checkpoint's tokenizer cuts it, without what is longer than it reads."""
    return list(encode_lines(checkpoint, SAMPLE.read_text(encoding="utf-8").strip().split("\n")))


def encode_lines(checkpoint: Checkpoint, lines: Iterable[str], *, masks: bool = True) -> Iterator[Encoded]:
    """Yield lines as this checkpoint's tokenizer cuts them, without what is longer than it reads.

    Args:
        checkpoint: whose tokenizer.
        lines: of text.
        masks: leave out lines without a [MASK] too.
    """
    config = TokenizerConfig(**asdict(checkpoint.tokenizer))
    tokenizer = Tokenizer(Vocabulary.parse("\n".join(checkpoint.vocabulary).encode()), config)
    for line in lines:
        with contextlib.suppress(InputError):
            yield tokenizer.encode(line, masks=masks)


def observe(checkpoint: Checkpoint, sample: Sequence[Encoded]) -> tuple[dict[str, Array], Answers]:
    """Run the checkpoint in float32 over the sample.

    Returns:
        The largest absolute value of each column of the rows from each layer normalisation, by name, and the answers
        to each sentence: the best token at each mask, and its probability.
    """
    session, names = float_session(checkpoint, top_k=1)
    ranges: dict[str, Array] = {}
    answers = []
    for sentence in sample:
        *observed, token_ids, scores = session.run([*names, "token_ids", "scores"], _feeds(sentence))
        for name, rows in zip(names, observed, strict=True):
            reach = np.abs(rows).max(axis=0)
            ranges[name] = np.maximum(ranges[name], reach) if name in ranges else reach
        answers.append((token_ids[0, :, 0], scores[0, :, 0]))
    return ranges, answers


def float_session(checkpoint: Checkpoint, top_k: int) -> tuple[ort.InferenceSession, list[str]]:
    """Return the checkpoint in float32, and the names under which it tells what its layer normalisations give."""
    graph = Graph()
    products = Float(graph, checkpoint.weights["bert.embeddings.word_embeddings.weight"])
    outputs = OnnxBert(graph, products, checkpoint.config, checkpoint.weights, top_k).outputs()
    for name, value in {**outputs, **products.observed}.items():
        graph.name(value, name)
    rows = dict.fromkeys(products.observed, (TensorProto.FLOAT, ("R", "H")))
    model = graph.model(INPUTS, {**output_types(checkpoint.config, top_k), **rows}, {})
    return open_session(model.SerializeToString()), list(products.observed)


def open_session(model: bytes | Path) -> ort.InferenceSession:
    """Return a session of ONNX Runtime on the CPU."""
    return ort.InferenceSession(model, providers=["CPUExecutionProvider"])


def answer(session: ort.InferenceSession, sentence: Encoded) -> tuple[Array, Array]:
    """Return the best token at each mask of a sentence, and its probability."""
    token_ids, scores = session.run(["token_ids", "scores"], _feeds(sentence))
    return token_ids[0, :, 0], scores[0, :, 0]


def _feeds(sentence: Encoded) -> dict[str, NDArray[np.int32]]:
    return {
        "input_ids": np.array([sentence.input_ids], np.int32),
        "lengths": np.array([len(sentence.input_ids)], np.int32),
        "positions": np.array([sentence.mask_positions], np.int32),
        "answers": np.array([len(sentence.mask_positions)], np.int32),
        "candidate_ids": np.zeros((1, 1), np.int32),
    }
