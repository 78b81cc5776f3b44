"""Find the version folder of the model."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from deploy.batch.errors import BatchError
from deploy.embedded.engines.onnx import ONNX_FILE


@dataclass(frozen=True, slots=True)
class Model:
    """Version folder.

    Attributes:
        folder: its absolute path, which every worker needs.
        digest: a hash of its manifest, which has the digests of the checkpoint.
    """

    folder: Path
    digest: str


def find_model(path: Path) -> Model:
    """Return a version, or the newest version in a folder.

    Raises:
        BatchError: there is no version, or it has no file for the light engine.
    """
    folder = path.absolute()
    if not (folder / ONNX_FILE).is_file():
        numbers = sorted(int(one.name) for one in folder.iterdir() if one.name.isdecimal()) if folder.is_dir() else []
        if not numbers:
            msg = f"{path} is not a model; export one with python -m export, and name its folder with --model"
            raise BatchError(msg)
        folder /= str(numbers[-1])
    if not (folder / ONNX_FILE).is_file():
        msg = f"{folder} has no {ONNX_FILE}; export the model again"
        raise BatchError(msg)
    manifest = folder / "manifest.json"
    content = manifest.read_bytes() if manifest.is_file() else (folder / ONNX_FILE).read_bytes()
    return Model(folder, hashlib.sha256(content).hexdigest())
