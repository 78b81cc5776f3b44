"""Read the hyperparameters from config.json."""

import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from export.errors import CheckpointError
from export.json_file import read_json

Activation = Literal["gelu", "gelu_new", "relu"]

_ACTIVATIONS: dict[str, Activation] = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_new",
    "gelu_fast": "gelu_new",
    "gelu_pytorch_tanh": "gelu_new",
    "relu": "relu",
}
"""The activation of each of Hugging Face's names. ``gelu_new`` is the approximation by tanh."""

_DEFAULTS: dict[str, Any] = {"type_vocab_size": 2, "layer_norm_eps": 1e-12, "max_position_embeddings": 512}


@dataclass(frozen=True, slots=True)
class BertConfig:
    """The hyperparameters that determine the graph, under Hugging Face's names.

    Attributes:
        hidden_act: exact GELU, its approximation by tanh (``gelu_new``), or ReLU.
        tie_word_embeddings: whether the head shares the embeddings' weights; if not, the file must have the decoder's.
    """

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    max_position_embeddings: int
    type_vocab_size: int
    layer_norm_eps: float
    hidden_act: Activation = "gelu"
    tie_word_embeddings: bool = True


def read_config(path: Path) -> BertConfig:
    """Read config.json.

    Raises:
        CheckpointError: the file is damaged, or describes an architecture that the export does not support.
    """
    content = read_json(path)
    kind = content.get("model_type", "bert")
    if kind != "bert":
        msg = f"{path} describes a model of type {kind!r}; only BERT can be exported"
        raise CheckpointError(msg)
    fixed = {"position_embedding_type": ("absolute", None), "is_decoder": (False, None)}
    for key, supported in fixed.items():
        if content.get(key) not in (*supported, None):
            msg = f"{path} has {key} = {content[key]!r}; only {supported[0]!r} can be exported"
            raise CheckpointError(msg)
    config = BertConfig(
        **_numbers(path, content),
        hidden_act=_activation(path, content),
        tie_word_embeddings=content.get("tie_word_embeddings", True) is not False,
    )
    if config.hidden_size % config.num_attention_heads:
        msg = (
            f"{path}: hidden_size {config.hidden_size} is not divisible by {config.num_attention_heads} attention heads"
        )
        raise CheckpointError(msg)
    return config


def _numbers(path: Path, content: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for field in fields(BertConfig):
        if field.type not in (int, float):
            continue
        value: Any = content.get(field.name, _DEFAULTS.get(field.name))
        accepted = (int,) if field.type is int else (int, float)
        if type(value) not in accepted or not 0 < value < math.inf:
            kind = "integer" if field.type is int else "number"
            msg = f"{path} has {field.name} = {value!r}; write a positive {kind}"
            raise CheckpointError(msg)
        values[field.name] = field.type(value)
    return values


def _activation(path: Path, content: dict[str, Any]) -> Activation:
    name = content.get("hidden_act", "gelu")
    if name not in _ACTIVATIONS:
        msg = f"{path} has hidden_act = {name!r}; only {', '.join(_ACTIVATIONS)} can be exported"
        raise CheckpointError(msg)
    return _ACTIVATIONS[name]
