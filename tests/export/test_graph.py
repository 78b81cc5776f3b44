"""Test that optimisations of the graph do not change its answers."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from export.bert import Bert
from export.checkpoint import load_checkpoint
from tests.conftest import TINY
from tests.support.exported import Export

Golden = list[dict[str, Any]]

# Three sentences of 9, 4 and 6 tokens, and the positions that are asked for: out of order, one twice.
IDS = np.random.default_rng(5).integers(5, 98, (3, 9)).astype(np.int32)
LENGTHS = np.array([9, 4, 6], np.int32)
POSITIONS = np.array([[7, 0, 3], [2, 2, 1], [5, 4, 0]], np.int32)


LAYERS = 2

KERNELS = 4 + 5 + 1
"""The products with a kernel: the first layer's, the last layer's, whose queries have one of their own, the head's."""


@pytest.fixture(scope="module")
def bert() -> Bert:
    checkpoint = load_checkpoint(TINY)
    return Bert(checkpoint.config, checkpoint.weights)


def at_positions(values: NDArray[Any]) -> NDArray[Any]:
    return np.take_along_axis(values, POSITIONS[:, :, None], axis=1)


def nodes_of(signature: Any) -> dict[str, Any]:
    """Return the nodes of a loaded signature by name: they are in a function that it calls."""
    graph = signature.graph.as_graph_def()
    return {node.name: node for function in graph.library.function for node in function.node_def}


def test_a_last_layer_for_chosen_positions_is_the_whole_last_layer_at_these_positions(bert: Bert) -> None:
    visible = tf.sequence_mask(LENGTHS, 9)
    everywhere, attention = bert.encode(IDS, visible)
    chosen, chosen_attention = bert.encode(IDS, visible, positions=POSITIONS)
    assert everywhere.shape == (3, 9, 32)
    assert chosen.shape == (3, 3, 32)
    assert np.allclose(chosen, at_positions(everywhere.numpy()), atol=1e-5)
    for head in range(attention.shape[1]):
        assert np.allclose(chosen_attention[:, head], at_positions(attention.numpy()[:, head]), atol=1e-6)


def test_a_key_bias_changes_nothing_and_a_value_bias_does() -> None:
    # The graph leaves key biases out; the golden values would not tell if the checkpoint's were all zero.
    checkpoint = load_checkpoint(TINY)
    visible = tf.sequence_mask(LENGTHS, 9)
    plain, _ = Bert(checkpoint.config, checkpoint.weights).encode(IDS, visible)
    for part, changes in (("key", False), ("value", True)):
        weights = dict(checkpoint.weights)
        name = f"bert.encoder.layer.0.attention.self.{part}.bias"
        weights[name] = weights[name] + 1
        other, _ = Bert(checkpoint.config, weights).encode(IDS, visible)
        assert np.allclose(plain, other, atol=1e-6) is not changes
    assert any(weights[name].any() for name in weights if name.endswith("self.key.bias"))


def test_no_weight_is_transposed_or_copied_into_another_layout_in_a_request(tiny_version: Path) -> None:
    nodes = nodes_of(tf.saved_model.load(str(tiny_version)).signatures["fill_mask"])
    transposed = [nodes[node.input[0].split(":")[0]].op for node in nodes.values() if node.op == "Transpose"]
    assert transposed
    assert "ReadVariableOp" not in transposed
    products = [node for node in nodes.values() if node.op in {"MatMul", "BatchMatMulV2"}]
    reading = [node for node in products if nodes[node.input[0].split(":")[0]].op == "ReadVariableOp"]
    assert len(reading) == KERNELS + 1  # the last multiplies the embeddings
    for node in reading:  # the weight is on the left and is not transposed
        assert not node.attr["adj_x"].b
        assert not node.attr["transpose_a"].b
    others = [node for node in products if node not in reading]
    assert len(others) == 2 * LAYERS  # attention's
    assert all(nodes[node.input[1].split(":")[0]].op != "ReadVariableOp" for node in others)


@pytest.mark.skipif(platform.machine() not in {"x86_64", "AMD64"}, reason="TensorFlow has oneDNN's operations on x86")
@pytest.mark.parametrize(
    ("onednn", "batched"),
    [
        # On processors without AVX512-VNNI, AVX512-BF16, AVX-VNNI and AMX, the default is 0.
        ("0", "BatchMatMulV2"),
        ("1", "_MklBatchMatMulV2"),
    ],
)
def test_tensorflow_runs_the_expected_operations(tiny_version: Path, onednn: str, batched: str) -> None:
    # TensorFlow reads the variable once in a process.
    done = subprocess.run(
        [sys.executable, "-m", "tests.export.optimised", str(tiny_version), "fill_mask"],
        env={**os.environ, "TF_ENABLE_ONEDNN_OPTS": onednn},
        capture_output=True,
        text=True,
        check=True,
    )
    counted = json.loads(done.stdout)
    expected = {"AddV2": 41, "Mul": 33, "Erf": 3, "BiasAdd": 1, "GatherV2": 9, "Squeeze": KERNELS + 1}
    assert {name: counted[name] for name in expected} == expected
    assert sum(count for name, count in counted.items() if "Transpose" in name) == 9
    assert counted[batched] == KERNELS + 2 * LAYERS
    assert sum(count for name, count in counted.items() if "MatMul" in name) == KERNELS + 2 * LAYERS + 1


@pytest.fixture(scope="module")
def computed_in_bf16(tiny_version_in: Export) -> Any:
    return tf.saved_model.load(str(tiny_version_in("bf16-compute"))).signatures["fill_mask"]


def test_products_in_bf16_are_near_the_float32_answer(computed_in_bf16: Any, golden: Golden) -> None:
    for answer in golden:
        got = computed_in_bf16(
            input_ids=tf.constant([answer["input_ids"]]),
            lengths=tf.constant([len(answer["input_ids"])]),
            mask_positions=tf.constant([answer["mask_positions"]]),
        )
        expected = -np.sort(-np.array(answer["log_probabilities"]), axis=-1)
        difference = np.abs(np.log(got["scores"].numpy()[0]) - expected).max()
        assert 1e-4 < difference < 0.3


def test_products_in_bf16_read_their_kernels_as_they_are_stored(computed_in_bf16: Any) -> None:
    products = [node for node in nodes_of(computed_in_bf16).values() if node.op == "BatchMatMulV2"]
    narrow = [node for node in products if node.attr["T"].type == tf.bfloat16.as_datatype_enum]
    assert len(narrow) == KERNELS
