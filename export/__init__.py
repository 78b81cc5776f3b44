"""Export a Hugging Face BERT checkpoint for TensorFlow Serving.

    python -m export --model google-bert/bert-base-chinese --output models

``source`` finds and verifies the checkpoint's files, ``checkpoint`` reads them, ``bert`` and ``signatures`` build the
graph, ``whitening`` fits the whitening of sentence vectors, ``savedmodel`` writes the version folder, ``manifest``
records its provenance, and ``verify`` compares it with the original, which ``reference`` runs on PyTorch in a separate
process. Building and verifying need TensorFlow (import ``export.savedmodel``), as does reading Google's checkpoints
(import ``export.checkpoint``). This module does not import TensorFlow, and no process loads both TensorFlow and
PyTorch.
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
