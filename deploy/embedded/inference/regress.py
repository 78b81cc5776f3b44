"""Implement Regress, from examples to one number each.

Checks and texts are those of tensorflow_serving/servables/tensorflow/regressor.cc.
"""

from collections.abc import Mapping

import numpy as np
from bert_mlm_client.wire import messages

from deploy.embedded.engines import Array
from deploy.embedded.errors import invalid
from deploy.embedded.inference.examples import INPUTS
from deploy.embedded.inference.predict import Call, format_shape
from deploy.embedded.proto.inference_pb2 import Regression, RegressionResult
from deploy.embedded.types import type_name

METHOD = "tensorflow/serving/regress"
OUTPUTS = "outputs"


def choose_outputs(signature: messages.SignatureDef, *, check_method_name: bool) -> tuple[str, ...]:
    """Return the output of a regression signature.

    Raises:
        ServingError: INVALID_ARGUMENT, the signature is not for regression.
    """
    if check_method_name and signature.method_name != METHOD:
        msg = f"Expected regression signature method_name to be {METHOD}. Was: {signature.method_name}"
        raise invalid(msg)
    if len(signature.inputs) != 1:
        msg = "Expected one input Tensor."
        raise invalid(msg)
    if len(signature.outputs) != 1:
        msg = "Expected one output Tensor."
        raise invalid(msg)
    if INPUTS not in signature.inputs:
        msg = f"No regression inputs found in SignatureDef: {signature}"
        raise invalid(msg)
    if OUTPUTS not in signature.outputs:
        msg = f"No regression outputs found in SignatureDef: {signature}"
        raise invalid(msg)
    return (OUTPUTS,)


def to_result(call: Call, outputs: Mapping[str, Array]) -> RegressionResult:
    """Convert outputs to one value for each example.

    Raises:
        ServingError: INVALID_ARGUMENT, the graph's output is not one float for each example.
    """
    count = len(call.inputs[INPUTS])
    values = outputs[OUTPUTS]
    if not (values.ndim == 1 or (values.ndim == 2 and values.shape[1] == 1)):
        msg = (
            f"Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got {format_shape(values)}"
        )
        raise invalid(msg)
    if len(values) != count:
        msg = f"Input batch size did not match output batch size: {count} vs. {len(values)}"
        raise invalid(msg)
    if values.dtype != np.float32:
        msg = f"Expected output Tensor of DT_FLOAT.  Got: {type_name(values)}"
        raise invalid(msg)
    return RegressionResult(regressions=[Regression(value=value) for value in values.ravel().tolist()])
