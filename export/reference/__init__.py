"""Run Hugging Face's own BertForMaskedLM, the reference that an export is compared with.

PyTorch's default build and TensorFlow crash when one process loads both
(https://github.com/tensorflow/tensorflow/issues/124205), so the reference runs in a process and an environment of its
own. ``process`` is the caller's side and needs no more than NumPy and safetensors. ``__main__`` and ``model`` run in
``.venv-torch``. ``messages`` are what they exchange.
"""

from export.reference.process import ReferenceAnswer, ReferenceModel, torch_python

__all__ = ["ReferenceAnswer", "ReferenceModel", "torch_python"]
