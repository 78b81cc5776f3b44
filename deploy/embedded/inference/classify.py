"""Implement Classify, from examples to labels and scores.

Checks and texts are those of tensorflow_serving/servables/tensorflow/classifier.cc.
"""

from collections.abc import Mapping

import numpy as np
from bert_mlm_client.wire import messages

from deploy.embedded.engines import Array
from deploy.embedded.errors import invalid
from deploy.embedded.inference.examples import INPUTS
from deploy.embedded.inference.predict import Call, format_shape
from deploy.embedded.proto.inference_pb2 import Class, ClassificationResult, Classifications
from deploy.embedded.types import type_name

METHOD = "tensorflow/serving/classify"
CLASSES = "classes"
SCORES = "scores"


def choose_outputs(signature: messages.SignatureDef, *, check_method_name: bool) -> tuple[str, ...]:
    """Return the outputs of a classification signature.

    Raises:
        ServingError: INVALID_ARGUMENT, the signature is not for classification.
    """
    if check_method_name and signature.method_name != METHOD:
        msg = f"Expected classification signature method_name to be {METHOD}. Was: {signature.method_name}"
        raise invalid(msg)
    if len(signature.inputs) != 1:
        msg = "Expected one input Tensor."
        raise invalid(msg)
    if len(signature.outputs) not in {1, 2}:
        msg = f"Expected one or two output Tensors, found {len(signature.outputs)}"
        raise invalid(msg)
    if INPUTS not in signature.inputs:
        msg = f"No classification inputs found in SignatureDef: {signature}"
        raise invalid(msg)
    outputs = tuple(name for name in (CLASSES, SCORES) if name in signature.outputs)
    if not outputs:
        msg = (
            f'Expected classification signature outputs to contain at least one of "{CLASSES}" or "{SCORES}". '
            f"Signature was: {signature}"
        )
        raise invalid(msg)
    return outputs


def to_result(call: Call, outputs: Mapping[str, Array]) -> ClassificationResult:
    """Convert outputs to the classes of each example.

    The classes are in the graph's order.

    Raises:
        ServingError: INVALID_ARGUMENT, the graph's outputs are not ``[examples, classes]`` strings and floats.
    """
    count = len(call.inputs[INPUTS])
    labels, scores = outputs.get(CLASSES), outputs.get(SCORES)
    if labels is not None:
        _check(CLASSES, labels, np.dtype(np.object_), count)
    if scores is not None:
        _check(SCORES, scores, np.dtype(np.float32), count)
    if labels is not None and scores is not None and labels.shape[1] != scores.shape[1]:
        msg = f"Tensors class and score should match in dim_size(1). Got {labels.shape[1]} vs. {scores.shape[1]}"
        raise invalid(msg)
    found = labels if labels is not None else scores
    width = 0 if found is None else found.shape[1]
    label_rows = [[b""] * width] * count if labels is None else labels.tolist()
    score_rows = [[0.0] * width] * count if scores is None else scores.tolist()
    result = ClassificationResult()
    for row in zip(label_rows, score_rows, strict=True):
        classes = [Class(label=label, score=score) for label, score in zip(*row, strict=True)]
        result.classifications.append(Classifications(classes=classes))
    return result


def _check(name: str, array: Array, expected: np.dtype[np.generic], count: int) -> None:
    if array.ndim != 2:
        msg = f"Expected Tensor shape: [batch_size num_classes] but got {format_shape(array)}"
        raise invalid(msg)
    if array.dtype != expected:
        wanted = "DT_STRING" if expected.hasobject else "DT_FLOAT"
        msg = f"Expected {name} Tensor of {wanted}. Got: {type_name(array)}"
        raise invalid(msg)
    if len(array) != count:
        msg = f"Expected {name} output batch size of {count}. Got: {len(array)}"
        raise invalid(msg)
