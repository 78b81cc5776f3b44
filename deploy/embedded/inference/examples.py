"""Serialized tf.Examples: the one input of Classify, Regress and MultiInference.

The server does not look into them. The graph's own ParseExample reads the features that the model was made for.
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
"""The name of the one input."""


class Method(Protocol):
    """What is done with examples: the module ``classify`` or ``regress``."""

    def choose_outputs(self, signature: messages.SignatureDef, *, check_method_name: bool) -> tuple[str, ...]:
        """Return the outputs of a signature for this method."""


def prepare(
    method: Method, signatures: Mapping[str, messages.SignatureDef], name: str, given: Input, *, check_method_name: bool
) -> Call:
    """Return the run that answers a Classify or Regress request.

    Args:
        method: which of them.
        signatures: the version's signatures by name.
        name: the signature that the request names.
        given: the request's examples.
        check_method_name: refuse a signature that was not exported for the method, as those of TensorFlow 2 never are.

    Raises:
        ServingError: INVALID_ARGUMENT, the signature is missing or is not for this method, or there is no example.
    """
    if name not in signatures:
        msg = f"No signature was found with the name: {name}"
        raise invalid(msg)
    outputs = method.choose_outputs(signatures[name], check_method_name=check_method_name)
    return Call(name, {INPUTS: to_array(given)}, outputs)


def to_array(given: Input) -> Array:
    """Return the examples of a request as strings, shape ``[examples]``.

    A context goes before each example: two serialized messages in a row are the two merged into one, and of a feature
    that both have, the example's counts.

    Raises:
        ServingError: INVALID_ARGUMENT, there is no example.
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
    """Count the examples of a MultiInference request that has run; TensorFlow Serving counts no others."""
    metrics.EXAMPLE_COUNTS.observe(len(given), model)
    metrics.EXAMPLE_COUNT_TOTAL.add(model, amount=len(given))
