"""Turn a Hugging Face BERT checkpoint into a version folder that TensorFlow Serving runs.

    python -m export --model google-bert/bert-base-chinese --output models

A checkpoint goes one way: ``source`` finds and verifies its files, ``checkpoint`` reads them, ``bert`` and
``signatures`` build the graph, ``whitening`` makes its sentence vectors comparable, ``savedmodel`` writes it and puts
the version in place, ``manifest`` says where it came from and ``verify`` compares it with the original, which
``reference`` runs on PyTorch in a process of its own. Building and verifying need TensorFlow (import
``export.savedmodel``), and so does reading Google's checkpoints (import ``export.checkpoint``); nothing that is
imported here does, and no process loads TensorFlow and PyTorch together.
"""

import export.blas  # noqa: F401 - before NumPy
from export.errors import (
    CheckpointError,
    ExportError,
    ParityError,
    ReferenceModelError,
    SampleError,
    SourceError,
    VersionError,
)
from export.manifest import Manifest, read_manifest
from export.source import CheckpointFiles, find_checkpoint

__all__ = [
    "CheckpointError",
    "CheckpointFiles",
    "ExportError",
    "Manifest",
    "ParityError",
    "ReferenceModelError",
    "SampleError",
    "SourceError",
    "VersionError",
    "find_checkpoint",
    "read_manifest",
]
