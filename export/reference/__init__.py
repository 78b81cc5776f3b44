"""Run Hugging Face's model as the reference of an export.

PyTorch's default build and TensorFlow crash when one process loads both
(https://github.com/tensorflow/tensorflow/issues/124205), so the reference runs in a separate process and
environment. ``process`` and ``classifier`` are the caller's side and need only NumPy and safetensors. ``__main__``,
``model`` and ``classifier_model`` run in ``.venv-torch``. ``messages`` defines the protocol between them.
"""

from export.reference.classifier import ClassifierAnswer, ReferenceClassifier
from export.reference.process import ReferenceAnswer, ReferenceModel, torch_python

__all__ = ["ClassifierAnswer", "ReferenceAnswer", "ReferenceClassifier", "ReferenceModel", "torch_python"]
