"""Run a checkpoint in float32 on sample text: what the integers are fitted to."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from bert_mlm_client.errors import InputError
from bert_mlm_client.onnx_runtime import onnxruntime as ort
from bert_mlm_client.tokens import Encoded, Tokenizer
from bert_mlm_client.vocabulary import Vocabulary
from numpy.typing import NDArray
from onnx import TensorProto

from export.checkpoint import Checkpoint
from export.onnx.bert import INPUTS, OnnxBert, output_types
from export.onnx.graph import Graph
from export.onnx.products import Float
from export.onnx.statistics import Statistics
from export.whitening import SAMPLE

HIDDEN_SHARE = 0.15
"""How many of a line's tokens are hidden, as in BERT's own training."""

Ids = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Hidden:
    """A line with some of its tokens replaced by [MASK].

    Attributes:
        ids: the line's tokens as the model reads them [S].
        positions: where the masks are [M].
        tokens: what was there [M].
    """

    ids: Ids
    positions: Ids
    tokens: Ids


def encode_lines(checkpoint: Checkpoint, lines: Iterable[str], *, masks: bool = True) -> Iterator[Encoded]:
    """Yield lines as this checkpoint's tokenizer cuts them, without what is longer than it reads.

    Args:
        checkpoint: whose tokenizer.
        lines: of text.
        masks: leave out lines without a [MASK] too.
    """
    tokenizer = Tokenizer(Vocabulary.parse("\n".join(checkpoint.vocabulary).encode()), checkpoint.tokenizer)
    for line in lines:
        with contextlib.suppress(InputError):
            yield tokenizer.encode(line, masks=masks)


def sample_lines(checkpoint: Checkpoint, *, part: int) -> list[Ids]:
    """Return the token ids of one of the sample's four parts, every fourth sentence of the whitening's."""
    sentences = SAMPLE.read_text(encoding="utf-8").split("\n")[part::4]
    return [np.array(line.input_ids, np.int32) for line in encode_lines(checkpoint, sentences, masks=False)]


def join(lines: Sequence[Ids], longest: int) -> list[Ids]:
    """Join lines to as few as possible that are no longer than the longest input: all positions are needed."""
    joined = [lines[0]] if lines else []
    for line in lines[1:]:
        if joined[-1].size + line.size - 2 <= longest:
            joined[-1] = np.concatenate([joined[-1][:-1], line[1:]])  # without the [SEP] and the [CLS] in between
        else:
            joined.append(line)
    return joined


def hide(lines: Iterable[Ids], checkpoint: Checkpoint, *, unknown: bool = False, seed: int = 0) -> Iterator[Hidden]:
    """Hide tokens of each line that is long enough.

    Args:
        lines: token ids.
        checkpoint: whose vocabulary; special tokens have the lowest ids, up to [MASK]'s, and are not hidden.
        unknown: hide [UNK] too, and one token at least.
        seed: which tokens.
    """
    mask = checkpoint.vocabulary.index("[MASK]")
    random = np.random.default_rng(seed)
    for ids in lines:
        ordinary = np.arange(1, ids.size - 1) if unknown else np.flatnonzero(ids > mask)
        count = max(round(HIDDEN_SHARE * ordinary.size), int(unknown))
        if count:
            positions = np.sort(random.choice(ordinary, count, replace=False)).astype(np.int32)
            masked = ids.copy()
            masked[positions] = mask
            yield Hidden(masked, positions, ids[positions])


def observe(checkpoint: Checkpoint) -> dict[str, Statistics]:
    """Run the checkpoint in float32 over sample text and return the statistics of each product's inputs, by name.

    Half of the sentences are read one by one, half as lines of the longest input; some tokens of each are hidden.
    """
    lines = sample_lines(checkpoint, part=0)
    alone, together = lines[0::2], join(lines[1::2], checkpoint.tokenizer.max_length)
    session, names = float_session(checkpoint, top_k=1)
    found: dict[str, Statistics] = {}
    for line in hide(chain(alone, together), checkpoint, unknown=True):
        others = np.setdiff1d(np.arange(line.ids.size, dtype=np.int32), line.positions)
        # The last layer runs for the positions and the head for the first of them: for all tokens, and for the masks.
        everywhere = np.concatenate([line.positions, others])
        observed = session.run(names, feeds(line.ids[np.newaxis], everywhere[np.newaxis], answers=line.positions.size))
        for name, rows in zip(names, observed, strict=True):
            found.setdefault(name, Statistics(rows.shape[1])).add(rows)
    return found


def float_session(checkpoint: Checkpoint, top_k: int) -> tuple[ort.InferenceSession, list[str]]:
    """Return the checkpoint in float32, and the names under which it gives the inputs of its products."""
    graph = Graph()
    products = Float(graph, checkpoint.weights["bert.embeddings.word_embeddings.weight"])
    outputs = OnnxBert(graph, products, checkpoint, top_k).outputs()
    for name, value in {**outputs, **products.observed}.items():
        graph.name(value, name)
    rows = dict.fromkeys(products.observed, (TensorProto.FLOAT, ("R", "H")))
    model = graph.model(INPUTS, {**output_types(checkpoint.config, top_k), **rows}, {})
    return open_session(model.SerializeToString()), list(products.observed)


def open_session(model: bytes | Path) -> ort.InferenceSession:
    """Return a session of ONNX Runtime on the CPU."""
    return ort.InferenceSession(model, providers=["CPUExecutionProvider"])


def feeds(
    ids: Ids, positions: Ids, *, answers: int = 1, lengths: Ids | None = None, candidates: Any = 0
) -> dict[str, Ids]:
    """Return the graph's inputs.

    Args:
        ids: [B, S].
        positions: [B, P].
        answers: for how many of the positions to predict.
        lengths: [B]; all of S unless given.
        candidates: [B, C], or one token.
    """
    batch, length = ids.shape
    return {
        "input_ids": ids,
        "lengths": np.full(batch, length, np.int32) if lengths is None else lengths,
        "positions": positions,
        "answers": np.array([answers], np.int32),
        "candidate_ids": np.full((batch, 1), candidates, np.int32) if np.ndim(candidates) == 0 else candidates,
    }
