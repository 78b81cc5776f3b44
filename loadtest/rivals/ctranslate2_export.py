"""Convert a checkpoint's encoder to CTranslate2's int8 form.

    python -m loadtest.rivals.ctranslate2_export --model FOLDER --output FOLDER

The specification is the one that CTranslate2's own converter (TransformersConverter) builds, which needs PyTorch.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from export.checkpoint import Weights, load_checkpoint


def convert(model: Path, output: Path) -> None:
    """Write a checkpoint's encoder in int8."""
    from ctranslate2.specs import common_spec, transformer_spec

    checkpoint = load_checkpoint(model)
    config, weights = checkpoint.config, checkpoint.weights
    activation = {"gelu": "GELU", "gelu_new": "GELUTanh", "relu": "RELU"}[config.hidden_act]
    encoder = transformer_spec.TransformerEncoderSpec(
        config.num_hidden_layers,
        config.num_attention_heads,
        pre_norm=False,
        activation=common_spec.Activation[activation],
        layernorm_embedding=True,
        num_source_embeddings=2,
        embeddings_merge=common_spec.EmbeddingsMerge.ADD,
    )
    encoder.scale_embeddings = False
    table = "bert.embeddings.{}_embeddings.weight"
    encoder.embeddings[0].weight = weights[table.format("word")]
    encoder.embeddings[1].weight = weights[table.format("token_type")]
    encoder.position_encodings.encodings = weights[table.format("position")]
    _set_normalisation(encoder.layernorm_embedding, weights, "bert.embeddings")
    for number, layer in enumerate(encoder.layer):
        name = f"bert.encoder.layer.{number}"
        parts = [f"{name}.attention.self.{part}" for part in ("query", "key", "value")]
        _set_linear(layer.self_attention.linear[0], weights, *parts)
        _set_linear(layer.self_attention.linear[1], weights, f"{name}.attention.output.dense")
        _set_normalisation(layer.self_attention.layer_norm, weights, f"{name}.attention.output")
        _set_linear(layer.ffn.linear_0, weights, f"{name}.intermediate.dense")
        _set_linear(layer.ffn.linear_1, weights, f"{name}.output.dense")
        _set_normalisation(layer.ffn.layer_norm, weights, f"{name}.output")
    specification = transformer_spec.TransformerEncoderModelSpec(encoder)
    specification.register_vocabulary(list(checkpoint.vocabulary))
    specification.config.unk_token = "[UNK]"  # noqa: S105 - a token of the vocabulary
    specification.config.layer_norm_epsilon = config.layer_norm_eps
    specification.validate()
    specification.optimize(quantization="int8")
    output.mkdir(parents=True)
    specification.save(str(output))


def _set_linear(spec: Any, weights: Weights, *names: str) -> None:
    spec.weight = np.concatenate([weights[f"{name}.weight"] for name in names])
    spec.bias = np.concatenate([weights[f"{name}.bias"] for name in names])


def _set_normalisation(spec: Any, weights: Weights, name: str) -> None:
    spec.gamma, spec.beta = weights[f"{name}.LayerNorm.weight"], weights[f"{name}.LayerNorm.bias"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Convert a checkpoint's encoder to CTranslate2's int8 form."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.rivals.ctranslate2_export", description=main.__doc__)
    parser.add_argument("--model", type=Path, required=True, help="checkpoint folder")
    parser.add_argument("--output", type=Path, required=True, help="a folder that does not exist")
    options = parser.parse_args(arguments)
    convert(options.model, options.output)


if __name__ == "__main__":
    main()
