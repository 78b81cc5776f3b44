"""Read a BERT checkpoint from safetensors into plain arrays, strictly.

Every tensor of the encoder and of the masked-language-model head must be there, once, in the right shape; whatever else
the file holds must be known. Nothing is unpickled.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from export.checkpoint.config import BertConfig
from export.errors import CheckpointError
from export.source import WEIGHTS

Weights = Mapping[str, NDArray[np.float32]]

LEFT_OUT = ("bert.pooler.", "cls.seq_relationship.", "bert.embeddings.position_ids")
"""What a BertForPreTraining dump carries beyond the masked language model, as the official checkpoint does."""

_TIED = {
    "cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
    "cls.predictions.decoder.bias": "cls.predictions.bias",
}
_OLD_NAMES = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}  # TensorFlow's, in older files


def expected_shapes(config: BertConfig) -> dict[str, tuple[int, ...]]:
    """Return every tensor that the graph needs, by Hugging Face's names, with its shape."""
    return dict(_expected(config))


def _expected(config: BertConfig) -> Iterator[tuple[str, tuple[int, ...]]]:
    hidden, inner = config.hidden_size, config.intermediate_size

    def dense(name: str, outputs: int, inputs: int) -> Iterator[tuple[str, tuple[int, ...]]]:
        yield f"{name}.weight", (outputs, inputs)
        yield f"{name}.bias", (outputs,)

    def norm(name: str) -> Iterator[tuple[str, tuple[int, ...]]]:
        yield f"{name}.LayerNorm.weight", (hidden,)
        yield f"{name}.LayerNorm.bias", (hidden,)

    embeddings = "bert.embeddings"
    yield f"{embeddings}.word_embeddings.weight", (config.vocab_size, hidden)
    yield f"{embeddings}.position_embeddings.weight", (config.max_position_embeddings, hidden)
    yield f"{embeddings}.token_type_embeddings.weight", (config.type_vocab_size, hidden)
    yield from norm(embeddings)
    for number in range(config.num_hidden_layers):
        layer = f"bert.encoder.layer.{number}"
        for part in ("query", "key", "value"):
            yield from dense(f"{layer}.attention.self.{part}", hidden, hidden)
        yield from dense(f"{layer}.attention.output.dense", hidden, hidden)
        yield from norm(f"{layer}.attention.output")
        yield from dense(f"{layer}.intermediate.dense", inner, hidden)
        yield from dense(f"{layer}.output.dense", hidden, inner)
        yield from norm(f"{layer}.output")
    yield from dense("cls.predictions.transform.dense", hidden, hidden)
    yield from norm("cls.predictions.transform")
    yield "cls.predictions.bias", (config.vocab_size,)


def read_weights(folder: Path, config: BertConfig) -> Weights:
    """Read the weights of a checkpoint folder."""
    path = folder / WEIGHTS
    expected = expected_shapes(config)
    weights: dict[str, NDArray[np.float32]] = {}
    tied: dict[str, NDArray[np.float32]] = {}
    unknown: list[str] = []
    try:
        with safe_open(path, framework="numpy") as file:
            for stored in file.keys():  # noqa: SIM118 - not a dict
                name = stored
                for old, new in _OLD_NAMES.items():
                    name = name.replace(old, new)
                if name.startswith(LEFT_OUT):
                    continue
                if name in weights:
                    msg = f"{path} holds {name} twice, under its old and its new name"
                    raise CheckpointError(msg)
                if name in expected or name in _TIED:
                    target = weights if name in expected else tied
                    target[name] = _as_float32(path, name, file.get_tensor(stored))
                else:
                    unknown.append(stored)
    except SafetensorError as error:
        msg = f"{path} is damaged or no safetensors file: {error}; fetch it again"
        raise CheckpointError(msg) from error
    _check(path, weights, tied, unknown, expected)
    return weights


def _as_float32(path: Path, name: str, tensor: NDArray[Any]) -> NDArray[np.float32]:
    if tensor.dtype.kind not in "fV" and tensor.dtype.name != "bfloat16":
        msg = f"{path}: {name} holds {tensor.dtype}, not floating-point numbers"
        raise CheckpointError(msg)
    return tensor.astype(np.float32)


def _check(
    path: Path, weights: Weights, tied: Weights, unknown: list[str], expected: dict[str, tuple[int, ...]]
) -> None:
    missing = sorted(expected.keys() - weights.keys())
    if missing:
        msg = f"{path} lacks {_listed(missing)}: it is no complete masked language model"
        raise CheckpointError(msg)
    if unknown:
        msg = f"{path} holds {_listed(sorted(unknown))}, which this export has no place for"
        raise CheckpointError(msg)
    for name, tensor in weights.items():
        if tensor.shape != expected[name]:
            msg = f"{path}: {name} has shape {list(tensor.shape)}, config.json asks for {list(expected[name])}"
            raise CheckpointError(msg)
        if not np.isfinite(tensor).all():
            msg = f"{path}: {name} holds values that are not finite"
            raise CheckpointError(msg)
    for name, tensor in tied.items():
        if not np.array_equal(tensor, weights[_TIED[name]]):
            msg = f"{path}: {name} differs from {_TIED[name]}; BERT ties the two, and the export keeps one"
            raise CheckpointError(msg)


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"
