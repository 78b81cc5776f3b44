"""Build an ONNX graph node by node."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 21
IR_VERSION = 10

_MICROSOFT = "com.microsoft"  # ONNX Runtime's own operations
_CONTRIB = {"FastGelu", "FusedMatMul", "MatMulIntegerToFloat"}


@dataclass(frozen=True, slots=True)
class Value:
    """The name of a node's output or of a constant."""

    name: str


class Graph:
    """The nodes of a graph in order, with their constants.

    Attributes:
        parameters: the arrays added by `parameter`, by name; pass them to each run as inputs.
    """

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self.parameters: dict[str, NDArray[np.float32]] = {}

    def constant(self, value: object, dtype: type[np.generic] = np.float32) -> Value:
        """Return a small constant, deduplicated by value."""
        array = np.asarray(value, dtype)
        written = f"{array.dtype}{array.tolist()}"
        return self.weight(written, array)

    def weight(self, name: str, array: NDArray[Any]) -> Value:
        """Return a named constant.

        Pass the same array whenever a name is used again.
        """
        if name not in self._constants:
            self._constants[name] = numpy_helper.from_array(np.asarray(array, order="C"), name)
        return Value(name)

    def parameter(self, name: str, array: NDArray[np.float32]) -> Value:
        """Add an array as a graph input, without a copy."""
        self.parameters.setdefault(name, np.asarray(array, order="C"))
        return Value(name)

    def op(self, kind: str, *inputs: Value | None, **attributes: Any) -> Value:
        """Add a node and return its output.

        None omits an optional input.
        """
        return self.ops(kind, *inputs, outputs=1, **attributes)[0]

    def ops(self, kind: str, *inputs: Value | None, outputs: int, **attributes: Any) -> list[Value]:
        """Add a node with several outputs and return them."""
        name = f"{kind}_{len(self._nodes)}"
        made = [Value(f"{name}:{number}") for number in range(outputs)]
        self._nodes.append(
            helper.make_node(
                kind,
                [value.name if value else "" for value in inputs],
                [value.name for value in made],
                name=name,
                domain=_MICROSOFT if kind in _CONTRIB else "",
                **attributes,
            )
        )
        return made

    def name(self, value: Value, name: str) -> None:
        """Name a value as an output of the graph."""
        self._nodes.append(helper.make_node("Identity", [value.name], [name], name=name))

    def model(
        self,
        inputs: Mapping[str, Sequence[str | int]],
        outputs: Mapping[str, tuple[int, Sequence[str | int]]],
    ) -> onnx.ModelProto:
        """Return the model and move the constants into it.

        Args:
            inputs: the shape of each int32 input, with dynamic sizes as strings.
            outputs: ONNX type and shape of each output.
        """
        parameters = {name: array.shape for name, array in self.parameters.items()}
        graph = helper.make_graph(
            self._nodes,
            "bert",
            [
                helper.make_tensor_value_info(name, kind, shape)
                for kind, given in ((TensorProto.INT32, inputs), (TensorProto.FLOAT, parameters))
                for name, shape in given.items()
            ],
            [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in outputs.items()],
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(_MICROSOFT, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="export.onnx")
        for name in list(self._constants):  # one by one, because ONNX copies each
            model.graph.initializer.append(self._constants.pop(name))
        return model
