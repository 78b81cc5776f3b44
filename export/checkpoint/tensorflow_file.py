"""List the tensors of TensorFlow checkpoints under PyTorch's names.

Google's own checkpoints (``bert_model.ckpt.*``) have the format of TensorFlow 1, Hugging Face's ``tf_model.h5`` that of
Keras. Both store a linear layer as [inputs, outputs]; PyTorch stores it as [outputs, inputs].
"""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.checkpoint.stored import StoredTensor
from export.errors import CheckpointError
from export.quiet import quiet_stderr

_KERNEL = "kernel"
_LAST = {_KERNEL: "weight", "embeddings": "weight", "gamma": "weight", "beta": "bias", "output_bias": "bias"}
_TRAINING = re.compile(r"global_step|.*/(adam_[mv]|Adam(_\d)?|beta\d_power)|.*_power")
"""The names of an optimizer's state."""

_KERAS_PARTS = {
    "embeddings": "bert",
    "encoder": "bert",
    "pooler": "bert",
    "predictions": "cls",
    "seq_relationship": "cls",
}
"""The prefix in PyTorch's model for the first folder of each name in Keras."""


def list_tensorflow_1(index: Path) -> Iterator[StoredTensor]:
    """Yield the tensors of a TensorFlow 1 checkpoint.

    Args:
        index: the checkpoint's ``.index`` file.

    Raises:
        CheckpointError: the checkpoint is damaged or incomplete.
    """
    with quiet_stderr():
        import tensorflow as tf
    prefix = index.with_suffix("")
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        shapes, types = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
    except (tf.errors.OpError, ValueError) as error:
        raise _damaged(prefix, error) from error
    for stored in sorted(shapes):
        if _TRAINING.fullmatch(stored):
            continue
        name = _torch_name(stored)
        transposed = stored.endswith(f"/{_KERNEL}")
        shape = tuple(shapes[stored])
        yield StoredTensor(
            index,
            stored,
            name,
            types[stored].name,
            shape[::-1] if transposed else shape,
            partial(_read_tensorflow_1, prefix, stored, transposed=transposed),
        )


def list_tensorflow_2(path: Path) -> Iterator[StoredTensor]:
    """Yield the tensors of a ``tf_model.h5``.

    Raises:
        CheckpointError: the file is damaged.
    """
    import h5py

    found: list[StoredTensor] = []

    def visit(stored: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            transposed = stored.endswith(f"/{_KERNEL}:0")
            found.append(
                StoredTensor(
                    path,
                    stored,
                    _torch_name(_without_keras_prefix(stored.removesuffix(":0"))),
                    item.dtype.name,
                    item.shape[::-1] if transposed else item.shape,
                    partial(_read_h5, path, stored, transposed=transposed),
                )
            )

    try:
        with h5py.File(path) as file:
            file.visititems(visit)
    except OSError as error:
        msg = f"{path} is damaged or not an HDF5 file: {_first_line(error)}; download it again"
        raise CheckpointError(msg) from error
    yield from found


def _without_keras_prefix(path: str) -> str:
    """Remove the class names and instance number that Keras adds."""
    folders = path.split("/")
    for place, folder in enumerate(folders):
        if folder in _KERAS_PARTS:
            return "/".join([_KERAS_PARTS[folder], *folders[place:]])
    return path


def _torch_name(path: str) -> str:
    """Convert a TensorFlow name to PyTorch's.

    ``bert/encoder/layer_0/output/dense/kernel`` becomes ``bert.encoder.layer.0.output.dense.weight``.
    """
    *folders, last = path.split("/")
    folders = [re.sub(r"^layer_(?:\._)?(\d+)$", r"layer.\1", folder) for folder in folders]
    if last.endswith("_embeddings"):  # in TensorFlow 1, this name is the table itself
        folders, last = [*folders, last], "weight"
    return ".".join([*folders, _LAST.get(last, last)])


def _read_tensorflow_1(prefix: Path, stored: str, *, transposed: bool) -> NDArray[Any]:
    import tensorflow as tf

    try:
        tensor: NDArray[Any] = tf.train.load_checkpoint(str(prefix)).get_tensor(stored)
    except tf.errors.OpError as error:
        raise _damaged(prefix, error) from error
    return tensor.T if transposed else tensor


def _read_h5(path: Path, stored: str, *, transposed: bool) -> NDArray[Any]:
    import h5py

    with h5py.File(path) as file:
        tensor = np.asarray(file[stored])
    return tensor.T if transposed else tensor


def _damaged(prefix: Path, error: Exception) -> CheckpointError:
    return CheckpointError(
        f"{prefix}.* is damaged or incomplete: {_first_line(error)}; download all of its files again"
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).split("\n")[0].rstrip(".")
