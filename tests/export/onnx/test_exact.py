"""Test that integer products are equal on every processor."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from bert_mlm_client.onnx_runtime import onnxruntime as ort
from numpy.typing import NDArray
from onnx.numpy_helper import from_array, to_array

from export.onnx import ONNX_FILE, load_mapped
from export.onnx.agreement import exact_integers, integer_products
from tests.export.onnx import products_here
from tests.export.onnx.products_here import multiply, rows_for

REPOSITORY = Path(__file__).parents[3]
QEMU = shutil.which("qemu-x86_64")
WITHOUT_VNNI = "Haswell"

Integers = NDArray[np.int32]


@pytest.fixture(scope="module")
def light(demo_version: Path) -> Path:
    return demo_version / ONNX_FILE


@pytest.fixture(scope="module")
def saturating(light: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same file with weights up to 127 everywhere, as plain rounding would have some."""
    model = load_mapped(light)
    random = np.random.default_rng(0)
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.INT8:
            tensor.CopyFrom(from_array(random.integers(-127, 128, tensor.dims, np.int8), tensor.name))
    path = tmp_path_factory.mktemp("saturating") / light.name
    onnx.save(model, path)
    return path


def multiply_without_vnni(rows: NDArray[np.uint8], kernel: NDArray[np.int8]) -> Integers:
    """Multiply as ``vpmaddubsw`` and ``vpmaddwd`` do: pairs are added in 16 bits and saturate."""
    padded = ((0, 0), (0, len(kernel) % 2))
    left = np.pad(rows, padded).astype(np.int32)
    right = np.pad(kernel.T, padded).astype(np.int32)
    result = np.zeros((len(rows), kernel.shape[1]), np.int32)
    for pair in range(0, left.shape[1], 2):
        products = left[:, np.newaxis, pair : pair + 2] * right[np.newaxis, :, pair : pair + 2]
        result += np.clip(products.sum(axis=2), -(2**15), 2**15 - 1)
    return result


def exact(rows: NDArray[np.uint8], kernel: NDArray[np.int8], zero: int = 0) -> Integers:
    return (rows.astype(np.int32) - zero) @ kernel.astype(np.int32)


def test_every_product_is_exact_on_this_processor(light: Path) -> None:
    for product in integer_products(light):
        rows = rows_for(product)
        assert np.array_equal(multiply(rows, product), exact(rows, product.kernel, product.zero)), product.inputs


def test_no_product_saturates_sixteen_bits(light: Path) -> None:
    products = integer_products(light)
    assert len(products) == 4 * 6 + 2
    for product in products:
        rows = rows_for(product)
        assert np.array_equal(multiply_without_vnni(rows, product.kernel), exact(rows, product.kernel)), product.inputs
    assert exact_integers(light)


def test_other_weights_would_saturate(saturating: Path) -> None:
    assert not exact_integers(saturating)
    product = integer_products(saturating)[0]
    rows = rows_for(product)
    assert not np.array_equal(multiply_without_vnni(rows, product.kernel), exact(rows, product.kernel))


def test_the_bytes_of_a_part_stay_within_seven_bits(light: Path, tmp_path: Path) -> None:
    model = load_mapped(light)
    parts = [product.inputs for product in integer_products(light) if product.byte == 127]
    assert len(parts) == 2  # the head's
    model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in parts)
    onnx.save(model, tmp_path / light.name)
    session = ort.InferenceSession(tmp_path / light.name, providers=["CPUExecutionProvider"])
    ids = np.random.default_rng(0).integers(0, 8000, (8, 64), np.int32)
    feeds = {"input_ids": ids, "lengths": np.full(8, 64, np.int32), "answers": np.array([64], np.int32)}
    feeds |= {"positions": np.tile(np.arange(64, dtype=np.int32), (8, 1)), "candidate_ids": np.zeros((8, 1), np.int32)}
    for found in session.run(parts, feeds):
        assert found.dtype == np.uint8
        assert found.max() <= 127
        assert found.min() >= 1


def test_other_bytes_are_not_taken_for_parts(light: Path) -> None:
    zeros = [
        int(to_array(tensor)) for tensor in load_mapped(light).graph.initializer if tensor.name.startswith("uint8")
    ]
    assert sorted(zeros) == [16, 64, 128]
    assert {product.byte for product in integer_products(light) if product.zero != 64} == {255}


@pytest.mark.skipif(QEMU is None, reason="qemu-x86_64 is not installed (apt-get install qemu-user)")
def test_a_processor_without_vnni_computes_the_same_integers(light: Path, saturating: Path) -> None:
    def digests(path: Path, *emulator: str) -> str:
        command = [*emulator, sys.executable, "-m", products_here.__name__, str(path)]
        return subprocess.run(command, check=True, capture_output=True, text=True, cwd=REPOSITORY).stdout

    emulator = (str(QEMU), "-cpu", WITHOUT_VNNI)
    assert digests(light, *emulator) == digests(light)
    processor_has_vnni = "vnni" in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    assert (digests(saturating, *emulator) != digests(saturating)) == processor_has_vnni
