"""Run the integer products of a light file on this processor and print a digest of each result.

    python -m tests.export.onnx.products_here FILE

Every product gets the same bytes on every processor: random ones, and for some outputs the two rows that bring all
pairs of the output furthest up and furthest down.
"""

import hashlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
from bert_mlm_client.onnx_runtime import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from export.onnx.agreement import IntegerProduct, integer_products

Bytes = NDArray[np.uint8]

ROWS = (1, 2, 3, 4, 5, 7)
"""Numbers of rows: one row, the rest of a block of rows and a whole block have kernels of their own."""

OUTPUTS = 8
"""How many outputs of each product get rows of their own."""


def rows_for(product: IntegerProduct) -> Bytes:
    """Return rows of bytes for a product."""
    shape = (sum(ROWS), len(product.kernel))
    random = np.random.default_rng(0).integers(0, product.byte, shape, np.uint8, endpoint=True)
    chosen = product.kernel[:, :OUTPUTS].T
    extremes = [np.where(kept, product.byte, 0).astype(np.uint8) for kept in (chosen > 0, chosen < 0)]
    return np.concatenate([random, *extremes])


def multiply(rows: Bytes, product: IntegerProduct) -> NDArray[np.int32]:
    """Multiply by ONNX Runtime, in parts of several sizes."""
    inputs, outputs = product.kernel.shape
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["rows", "kernel", "zero"], ["product"])],
        "product",
        [helper.make_tensor_value_info("rows", TensorProto.UINT8, ["R", inputs])],
        [helper.make_tensor_value_info("product", TensorProto.INT32, ["R", outputs])],
        [
            numpy_helper.from_array(np.ascontiguousarray(product.kernel), "kernel"),
            numpy_helper.from_array(np.array(product.zero, np.uint8), "zero"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session: Any = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    parts = np.split(rows, np.cumsum(ROWS))
    return np.concatenate([session.run(None, {"rows": part})[0] for part in parts])


def main(path: Path) -> None:
    """Print a digest of each product."""
    for product in integer_products(path):
        print(product.inputs, hashlib.sha256(multiply(rows_for(product), product).tobytes()).hexdigest())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
