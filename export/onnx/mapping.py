"""Write and read a model with memory-mapped weights.

A second file beside the model has the large weights, and each kernel once more as ONNX Runtime packs it for this
processor. When it loads the model, ONNX Runtime packs every kernel; if the result's hash is that of the packed kernel
in the file, it frees its own and maps the file's, which all processes share. On a processor with another layout the
hashes differ, and it keeps its own: the answers never depend on the processor that exported the model.
(https://github.com/microsoft/onnxruntime/pull/23069)
"""

import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import onnx
from bert_mlm_client.onnx_runtime import onnxruntime as ort

DATA_SUFFIX = ".data"

# Smaller weights stay in the model. They are not packed, and a mapping takes whole pages.
_LARGE_BYTES = 1 << 17

# Every tensor begins at a page. ONNX Runtime maps any offset, but its products crash if a packed kernel is not aligned.
_PAGE_BYTES = 4096

_PACKED = "prepacked_"
"""ONNX Runtime's prefix of the external data entries ``KEY|OFFSET;LENGTH;CHECKSUM|...``."""


def save_mapped(model: onnx.ModelProto, path: Path) -> None:
    """Write a model and its large weights in two files.

    Args:
        model: the model; its large weights are moved out of it.
        path: the model's file; the other has the same name with ``DATA_SUFFIX``. A small model has no other.
    """
    data = path.with_name(path.name + DATA_SUFFIX)
    large = [tensor for tensor in model.graph.initializer if len(tensor.raw_data) >= _LARGE_BYTES]
    if not large:
        onnx.save(model, path)
        return
    with data.open("wb") as file:
        for tensor in large:
            contents = tensor.raw_data
            tensor.ClearField("raw_data")
            offset = _write(file, contents)
            tensor.data_location = onnx.TensorProto.EXTERNAL
            for key, value in (("location", data.name), ("offset", offset), ("length", len(contents))):
                tensor.external_data.add(key=key, value=str(value))
    onnx.save(model, path)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder, data.open("ab") as file:
        # ONNX Runtime finds a packed kernel by its key alone, so any tensor can have the entries.
        for number, kernel in enumerate(_packed_kernels(path, Path(folder))):
            places = [f"{_write(file, buffer)};{len(buffer)};0" for buffer in kernel.buffers]
            large[0].external_data.add(key=f"{_PACKED}{number}", value="|".join([kernel.key, *places]))
    onnx.save(model, path)


def load_mapped(path: Path) -> onnx.ModelProto:
    """Read a model with all its weights."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Ignoring unknown external data key")  # onnx knows no packed kernels
        return onnx.load(path)


@dataclass(frozen=True, slots=True)
class _Packed:
    """A packed kernel with its key."""

    key: str
    buffers: list[bytes]


def _packed_kernels(path: Path, folder: Path) -> Iterator[_Packed]:
    """Yield the packed kernels of a model.

    ONNX Runtime packs them for this processor.

    Args:
        path: the model.
        folder: an empty folder.
    """
    packed = folder / path.name
    options = ort.SessionOptions()
    options.log_severity_level = 3  # without the warning that an optimised model fits this processor only
    options.optimized_model_filepath = str(packed)
    for key, value in (
        ("optimized_model_external_initializers_file_name", packed.name + DATA_SUFFIX),
        ("optimized_model_external_initializers_min_size_in_bytes", str(_LARGE_BYTES)),
        ("save_external_prepacked_constant_initializers", "1"),
    ):
        options.add_session_config_entry(f"session.{key}", value)
    ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    model = onnx.load(packed, load_external_data=False)
    with packed.with_name(packed.name + DATA_SUFFIX).open("rb") as file:
        for tensor in model.graph.initializer:
            for entry in tensor.external_data:
                if entry.key.startswith(_PACKED):
                    key, *places = entry.value.split("|")
                    yield _Packed(key, [_read(file, place) for place in places])


def _write(file: BinaryIO, contents: bytes) -> int:
    """Append at the next page and return the offset."""
    offset = -(-file.tell() // _PAGE_BYTES) * _PAGE_BYTES
    file.write(bytes(offset - file.tell()))
    file.write(contents)
    return offset


def _read(file: BinaryIO, place: str) -> bytes:
    offset, length, _ = place.split(";")
    file.seek(int(offset))
    return file.read(int(length))
