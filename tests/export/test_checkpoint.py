import json
from collections.abc import Callable
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from export import CheckpointError
from export.checkpoint import expected_shapes, load_checkpoint

Tensors = dict[str, NDArray[np.generic]]
QUERY = "bert.encoder.layer.1.attention.self.query.weight"


def rewrite(folder: Path, change: Callable[[Tensors], object]) -> None:
    tensors: Tensors = dict(load_file(folder / "model.safetensors"))
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


def set_config(folder: Path, **values: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_pretraining_checkpoint_yields_exactly_the_mlm_tensors(tiny_copy: Path) -> None:
    assert any(name.startswith("cls.seq_relationship") for name in load_file(tiny_copy / "model.safetensors"))
    checkpoint = load_checkpoint(tiny_copy)
    assert {name: tensor.shape for name, tensor in checkpoint.weights.items()} == expected_shapes(checkpoint.config)


def test_old_layer_norm_names_are_accepted(tiny_copy: Path) -> None:
    before = dict(load_checkpoint(tiny_copy).weights)

    def to_old_names(tensors: Tensors) -> None:
        for name in list(tensors):
            old = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
            tensors[old] = tensors.pop(name)

    rewrite(tiny_copy, to_old_names)
    after = load_checkpoint(tiny_copy).weights
    assert all(np.array_equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float64])
def test_weights_in_any_floating_point_type_become_float32(tiny_copy: Path, dtype: type) -> None:
    before = load_checkpoint(tiny_copy).weights[QUERY]
    rewrite(tiny_copy, lambda tensors: tensors.update({QUERY: before.astype(dtype)}))
    after = load_checkpoint(tiny_copy).weights[QUERY]
    assert after.dtype == np.float32
    assert np.array_equal(after, before.astype(dtype).astype(np.float32))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop(QUERY), f"lacks {QUERY}: it is not a complete masked language model"),
        (lambda t: t.pop("cls.predictions.bias"), "lacks cls.predictions.bias"),
        (lambda t: t.update({"bert.encoder.layer.2.output.dense.bias": np.zeros(3, "f4")}), "has unknown tensors"),
        (
            lambda t: t.update({QUERY: np.zeros((32, 31), "f4")}),
            r"has shape \[32, 31\], config.json expects \[32, 32\]",
        ),
        (lambda t: t.update({QUERY: np.full((32, 32), np.nan, "f4")}), "not finite"),
        (lambda t: t.update({QUERY: np.zeros((32, 32), "i4")}), "holds I32, not floating-point"),
        (lambda t: t.update({"cls.predictions.decoder.weight": np.zeros((98, 32), "f4")}), "BERT ties the two"),
        (lambda t: t.update({"bert.embeddings.LayerNorm.gamma": np.zeros(32, "f4")}), "twice"),
    ],
)
def test_invalid_tensor_is_named(tiny_copy: Path, change: Callable[[Tensors], object], message: str) -> None:
    rewrite(tiny_copy, change)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(tiny_copy)


def test_a_copy_of_the_tied_output_embeddings_is_accepted(tiny_copy: Path) -> None:
    rewrite(
        tiny_copy,
        lambda t: t.update({"cls.predictions.decoder.weight": t["bert.embeddings.word_embeddings.weight"].copy()}),
    )
    assert "cls.predictions.decoder.weight" not in load_checkpoint(tiny_copy).weights


@pytest.mark.parametrize("keep", [0, 5, 4000, -1])
def test_a_truncated_file_is_named(tiny_copy: Path, keep: int) -> None:
    path = tiny_copy / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match=r"model\.safetensors is damaged or not a safetensors file"):
        load_checkpoint(tiny_copy)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model_type": "roberta"}, "of type 'roberta'; only BERT"),
        ({"hidden_act": "silu"}, "hidden_act = 'silu'"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type"),
        ({"num_attention_heads": 5}, "not divisible by 5 attention heads"),
        ({"hidden_size": "32"}, "hidden_size = '32'; write a positive integer"),
        ({"num_hidden_layers": 0}, "num_hidden_layers = 0"),
        ({"num_hidden_layers": True}, "num_hidden_layers = True"),
        ({"vocab_size": 99}, "word_embeddings.weight has shape .98, 32., config.json expects .99, 32."),
    ],
)
def test_invalid_config_value_is_named(tiny_copy: Path, values: dict[str, object], message: str) -> None:
    set_config(tiny_copy, **values)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(tiny_copy)


def test_config_with_invalid_json_is_named(tiny_copy: Path) -> None:
    (tiny_copy / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"config\.json is not JSON"):
        load_checkpoint(tiny_copy)


def test_the_vocabulary_is_split_on_line_feeds_alone(tiny_copy: Path) -> None:
    assert load_checkpoint(tiny_copy).vocabulary[5] == "\u2028"


def test_vocabulary_without_mask_is_rejected(tiny_copy: Path) -> None:
    path = tiny_copy / "vocab.txt"
    path.write_bytes(path.read_bytes().replace(b"[MASK]", b"[MUSK]"))
    with pytest.raises(CheckpointError, match=r"vocab\.txt has no \[MASK\]"):
        load_checkpoint(tiny_copy)


@pytest.mark.parametrize(
    ("content", "override", "lower_case"),
    [
        ('{"do_lower_case": false}', None, False),
        ('{"do_lower_case": true}', None, True),
        ("{}", None, True),
        ('{"do_lower_case": false}', True, True),
        ('{"do_lower_case": true}', False, False),
    ],
)
def test_lower_casing_follows_tokenizer_config_unless_overridden(
    tiny_copy: Path, content: str, override: bool | None, lower_case: bool
) -> None:
    (tiny_copy / "tokenizer_config.json").write_text(content)
    assert load_checkpoint(tiny_copy, lower_case=override).tokenizer.do_lower_case is lower_case


def test_the_longest_input_is_the_shorter_of_positions_and_tokenizer_config(tiny_copy: Path) -> None:
    (tiny_copy / "tokenizer_config.json").write_text('{"model_max_length": 48}')
    assert load_checkpoint(tiny_copy).tokenizer.max_length == 48
    (tiny_copy / "tokenizer_config.json").write_text('{"model_max_length": 1000000000000000019884624838656}')
    assert load_checkpoint(tiny_copy).tokenizer.max_length == 64
