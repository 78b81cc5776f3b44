"""Write a checkpoint as an ONNX file in 8-bit integers, for the light engine of the embedded server.

The graph is built straight from the weights, as the SavedModel is: ``bert`` describes it once, ``products`` and
``integer`` are the two arithmetics of its products, ``rounding`` finds integers that every processor multiplies
exactly, ``sample`` turns text into token ids, ``session`` runs graphs, ``calibration`` and ``statistics`` describe what
the kernels are multiplied by, ``graph`` writes ONNX nodes, ``model`` puts the file together, and ``agreement`` measures
what the rounding costs.
"""

from export.onnx.agreement import Agreement
from export.onnx.model import ONNX_FILE, SIGNATURES, add_metadata, write_onnx

__all__ = ["ONNX_FILE", "SIGNATURES", "Agreement", "add_metadata", "write_onnx"]
