"""Write a checkpoint as an ONNX file in 8-bit integers, for the light engine of the embedded server.

The graph is built straight from the weights, as the SavedModel is: ``bert`` describes it once, ``products`` says in
which arithmetic its matrix products run, ``calibration`` finds the ranges that the integers must hold, ``graph`` writes
ONNX nodes, and ``model`` puts the file together.
"""

from export.onnx.model import ONNX_FILE, SIGNATURES, Agreement, write_onnx

__all__ = ["ONNX_FILE", "SIGNATURES", "Agreement", "write_onnx"]
