"""Choose the engine of a version."""

from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from deploy.embedded.engines.onnx import ONNX_FILE
from deploy.embedded.errors import Code, ServingError

EngineName = Literal["tensorflow", "onnx"]

ENGINES = ("auto", "tensorflow", "onnx")

_SAVED_MODEL = ("saved_model.pb", "saved_model.pbtxt")


def choose_engine(wanted: str, folder: Path) -> EngineName:
    """Return the name of the engine for a version.

    Args:
        wanted: one of ``ENGINES``; ``auto`` is TensorFlow if it is installed, unless the version has only the ONNX
            file.
        folder: the version.

    Raises:
        ServingError: NOT_FOUND, the version has no SavedModel for TensorFlow.
    """
    has_saved_model = any((folder / name).is_file() for name in _SAVED_MODEL)
    light_only = not has_saved_model and (folder / ONNX_FILE).is_file()
    if wanted == "onnx" or (wanted == "auto" and (light_only or not find_spec("tensorflow"))):
        return "onnx"
    if not has_saved_model:
        msg = (
            "Specified file path does not appear to contain a SavedModel bundle (should have a file called "
            f"`saved_model.pb`)\nSpecified file path: {folder}"
        )
        raise ServingError(Code.NOT_FOUND, msg)
    return "tensorflow"
