"""Write an int8 ONNX file for the light engine.

The graph is built directly from the weights, as the SavedModel is. ``bert`` defines the encoder, ``fill_mask`` and
``classify`` the heads; ``products`` computes the products in float32 and ``integer`` in int8. ``rounding`` rounds
kernels so that every processor's products are exact.
``sample`` tokenizes text, ``session`` runs graphs, ``calibration`` and ``statistics`` collect statistics of the
activations. ``graph`` builds ONNX nodes, ``model`` writes the file, ``mapping`` its weights, and ``agreement`` and
``classifier_agreement`` measure the rounding error.
"""

from export.onnx.agreement import Agreement
from export.onnx.classifier_agreement import ClassifierAgreement
from export.onnx.mapping import load_mapped
from export.onnx.model import ONNX_FILE, SIGNATURES, add_metadata, write_onnx

__all__ = ["ONNX_FILE", "SIGNATURES", "Agreement", "ClassifierAgreement", "add_metadata", "load_mapped", "write_onnx"]
