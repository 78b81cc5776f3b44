"""The environment with PyTorch, separate from TensorFlow."""

import pytest

from export.reference import torch_python

needs_torch = pytest.mark.skipif(
    not torch_python().exists(), reason="PyTorch is not installed; `make torch` installs it in .venv-torch"
)
