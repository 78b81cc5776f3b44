"""Turn a Hugging Face BERT checkpoint into a version folder that TensorFlow Serving runs.

    python -m export --model google-bert/bert-base-chinese --output models

A checkpoint goes one way: ``source`` finds and verifies its files, ``checkpoint`` reads them, ``bert`` and
``signatures`` build the graph, ``whitening`` makes its sentence vectors comparable, ``savedmodel`` writes it and puts
the version in place, ``manifest`` says where it came from and ``verify`` compares it with the original. Only the
building needs TensorFlow: import ``export.savedmodel``.
"""

from export.checkpoint import Checkpoint, load_checkpoint
from export.errors import CheckpointError, ExportError, ParityError, SampleError, SourceError, VersionError
from export.manifest import Manifest, read_manifest
from export.source import CheckpointFiles, find_checkpoint

__all__ = [
    "Checkpoint",
    "CheckpointError",
    "CheckpointFiles",
    "ExportError",
    "Manifest",
    "ParityError",
    "SampleError",
    "SourceError",
    "VersionError",
    "find_checkpoint",
    "load_checkpoint",
    "read_manifest",
]
