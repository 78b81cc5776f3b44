"""Convert the serialized tf.Examples of a request.

They are the input of Classify, Regress and MultiInference. The server does not parse them; the graph's ParseExample
does.
"""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from bert_mlm_client.wire import messages

from deploy.embedded import metrics
from deploy.embedded.engines import Array
from deploy.embedded.errors import invalid
from deploy.embedded.inference.predict import Call
from deploy.embedded.proto.inference_pb2 import Input

INPUTS = "inputs"
"""The name of the input."""


class Method(Protocol):
    """The interface of the modules ``classify`` and ``regress``."""

    def choose_outputs(self, signature: messages.SignatureDef, *, check_method_name: bool) -> tuple[str, ...]:
        """Return the outputs of a signature for this method."""


def prepare(
    method: Method, signatures: Mapping[str, messages.SignatureDef], name: str, given: Input, *, check_method_name: bool
) -> Call:
    """Return the call of a Classify or Regress request.

    Args:
        method: the module of the method.
        signatures: the version's signatures by name.
        name: the signature that the request names.
        given: the request's examples.
        check_method_name: reject a signature exported for another method, which includes all of TensorFlow 2.

    Raises:
        ServingError: INVALID_ARGUMENT, the signature is missing or is not for this method, or no example is given.
    """
    if name not in signatures:
        msg = f"No signature was found with the name: {name}"
        raise invalid(msg)
    outputs = method.choose_outputs(signatures[name], check_method_name=check_method_name)
    return Call(name, {INPUTS: to_array(given)}, outputs)


def to_array(given: Input) -> Array:
    """Return a request's examples as a string array.

    Its shape is ``[examples]``. A context is prepended to each example: concatenated serialized messages are merged
    when parsed, and the example's value of a feature overrides the context's.

    Raises:
        ServingError: INVALID_ARGUMENT, no example is given.
    """
    if given.WhichOneof("kind") == "example_list_with_context":
        context = given.example_list_with_context.context
        examples = [context + example for example in given.example_list_with_context.examples]
    else:
        examples = list(given.example_list.examples)
    if not examples:
        msg = "Input is empty."
        raise invalid(msg)
    array = np.empty(len(examples), np.object_)
    array[:] = examples
    return array


def count(model: str, given: Array) -> None:
    """Count the examples of a MultiInference request.

    TensorFlow Serving counts the examples of no other call.
    """
    metrics.EXAMPLE_COUNTS.observe(len(given), model)
    metrics.EXAMPLE_COUNT_TOTAL.add(model, amount=len(given))
