"""The environment with PyTorch, separate from TensorFlow."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from export.reference import torch_python
from tests.support.warm_python import warm_python

needs_torch = pytest.mark.skipif(
    not torch_python().exists(), reason="PyTorch is not installed; `make torch` installs it in .venv-torch"
)

_IMPORTS = "import torch; from transformers import AutoTokenizer, BertForMaskedLM, FillMaskPipeline"
_VARIABLES = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "OMP_NUM_THREADS": "1",  # the threads' barriers would take minutes on a machine whose cores are busy
}


@contextmanager
def warm_torch_python(folder: Path) -> Iterator[Path]:
    """Yield a Python that starts with PyTorch and transformers imported."""
    if not torch_python().exists():  # the tests that need it are skipped
        yield torch_python()
        return
    with warm_python(folder, torch_python().absolute(), _IMPORTS, _VARIABLES) as python:
        yield python
