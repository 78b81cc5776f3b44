"""Test that ONNX Runtime maps a model's weights, on any processor."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from export.onnx.graph import Graph, Value
from export.onnx.mapping import DATA_SUFFIX, load_mapped, save_mapped
from export.onnx.session import open_session
from tests.export.onnx import memory_of_model

WIDTH, LAYERS = 1024, 36
ROWS = np.random.default_rng(1).integers(0, 256, (3, WIDTH), np.int32)


def model() -> onnx.ModelProto:
    """Return a chain of integer products with 12 MB of kernels."""
    random = np.random.default_rng(0)
    graph = Graph()
    rows = Value("rows")
    for layer in range(LAYERS):
        quantised = graph.op("Cast", rows, to=onnx.TensorProto.UINT8)
        kernel = graph.weight(f"{layer}.kernel", random.integers(-63, 64, (WIDTH, WIDTH), np.int8))
        scales = graph.weight(f"{layer}.scales", random.random(WIDTH, np.float32))
        zero = graph.constant(128, np.uint8)
        product = graph.op("MatMulIntegerToFloat", quantised, kernel, graph.constant(1e-4), scales, zero)
        rows = graph.op("Abs", product)
    graph.name(rows, "last")
    return graph.model({"rows": ("R", WIDTH)}, {"last": (onnx.TensorProto.FLOAT, ("R", WIDTH))})


def answer(path: Path) -> NDArray[np.float32]:
    last: NDArray[np.float32] = open_session(path).run(["last"], {"rows": ROWS})[0]
    return last


def memory(path: Path) -> dict[str, float]:
    """Return the memory of a process that loads and runs a model."""
    command = [sys.executable, "-m", memory_of_model.__name__, str(path), str(WIDTH)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[3])
    found: dict[str, float] = json.loads(done.stdout)
    return found


def as_on_another_processor(path: Path) -> None:
    """Change the keys of the packed kernels, which are hashes of another processor's layout then."""
    changed = onnx.load(path, load_external_data=False)
    entries = [entry for tensor in changed.graph.initializer for entry in tensor.external_data if "|" in entry.value]
    assert len(entries) == LAYERS
    for entry in entries:
        key, _, places = entry.value.partition("|")
        entry.value = f"{key}1|{places}"
    onnx.save(changed, path)


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mapped") / "model.onnx"
    save_mapped(model(), path)
    return path


def test_a_mapped_model_is_the_same_model(mapped: Path, tmp_path: Path) -> None:
    onnx.save(model(), tmp_path / "whole.onnx")
    read, whole = load_mapped(mapped), model()
    assert [tensor.raw_data for tensor in read.graph.initializer] == [
        tensor.raw_data for tensor in whole.graph.initializer
    ]
    assert np.array_equal(answer(mapped), answer(tmp_path / "whole.onnx"))
    assert mapped.stat().st_size < 200_000


def test_every_weight_begins_at_a_page(mapped: Path) -> None:
    offsets = []
    for tensor in onnx.load(mapped, load_external_data=False).graph.initializer:
        entries = {entry.key: entry.value for entry in tensor.external_data}
        offsets += [int(value) for key, value in entries.items() if key == "offset"]
        packed = [value.split("|")[1:] for key, value in entries.items() if key.startswith("prepacked")]
        offsets += [int(place.split(";")[0]) for places in packed for place in places]
    assert len(offsets) == 2 * LAYERS
    assert not any(offset % 4096 for offset in offsets)


@pytest.mark.skipif(sys.platform != "linux", reason="the memory is read from Linux's /proc")
def test_the_packed_kernels_are_the_files_pages(mapped: Path, tmp_path: Path) -> None:
    onnx.save(model(), tmp_path / "whole.onnx")
    kernels = LAYERS * WIDTH * WIDTH / 1e6
    in_file, whole = memory(mapped), memory(tmp_path / "whole.onnx")
    assert in_file["mapped_mb"] > 0.95 * kernels
    assert in_file["copied_mb"] == 0  # another process shares all of them
    assert whole["mapped_mb"] == 0
    assert whole["anonymous_mb"] - in_file["anonymous_mb"] > 0.8 * kernels
    assert in_file["peak_mb"] < whole["peak_mb"] - 0.8 * kernels


@pytest.mark.skipif(sys.platform != "linux", reason="the memory is read from Linux's /proc")
def test_another_processor_packs_the_kernels_itself(mapped: Path, tmp_path: Path) -> None:
    alien = tmp_path / mapped.name
    for suffix in ("", DATA_SUFFIX):
        alien.with_name(alien.name + suffix).write_bytes(mapped.with_name(mapped.name + suffix).read_bytes())
    # Ones instead of the packed kernels would show in the answer.
    data = alien.with_name(alien.name + DATA_SUFFIX)
    contents = bytearray(data.read_bytes())
    contents[len(contents) // 2 + 4096 :] = b"\1" * (len(contents) - len(contents) // 2 - 4096)
    as_on_another_processor(alien)
    data.write_bytes(contents)
    assert np.array_equal(answer(alien), answer(mapped))
    assert memory(alien)["mapped_mb"] < 1


def test_a_small_model_is_one_file(tmp_path: Path) -> None:
    graph = Graph()
    graph.name(graph.op("Add", Value("rows"), graph.constant(1, np.int32)), "last")
    small = graph.model({"rows": ("R",)}, {"last": (onnx.TensorProto.INT32, ("R",))})
    save_mapped(small, tmp_path / "small.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["small.onnx"]
    assert open_session(tmp_path / "small.onnx").run(["last"], {"rows": np.ones(2, np.int32)})[0].tolist() == [2, 2]
