"""Run Hugging Face's BertForMaskedLM as the reference of an export.

PyTorch's default build and TensorFlow crash when one process loads both
(https://github.com/tensorflow/tensorflow/issues/124205), so the reference runs in a separate process and
environment. ``process`` is the caller's side and needs only NumPy and safetensors. ``__main__`` and ``model`` run in
``.venv-torch``. ``messages`` defines the protocol between them.
"""

from export.reference.process import ReferenceAnswer, ReferenceModel, torch_python

__all__ = ["ReferenceAnswer", "ReferenceModel", "torch_python"]
