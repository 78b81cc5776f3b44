"""Write an int8 ONNX file for the light engine.

The graph is built directly from the weights, as the SavedModel is. ``bert`` defines it, ``products`` computes its
products in float32 and ``integer`` in int8. ``rounding`` rounds kernels so that every processor's products are exact.
``sample`` tokenizes text, ``session`` runs graphs, ``calibration`` and ``statistics`` collect statistics of the
activations. ``graph`` builds ONNX nodes, ``model`` writes the file, and ``agreement`` measures the rounding error.
"""

from export.onnx.agreement import Agreement
from export.onnx.model import ONNX_FILE, SIGNATURES, add_metadata, write_onnx

__all__ = ["ONNX_FILE", "SIGNATURES", "Agreement", "add_metadata", "write_onnx"]
