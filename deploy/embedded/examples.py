"""Serialized tf.Examples: the one input of Classify, Regress and MultiInference.

The server does not look into them. The graph's own ParseExample reads the features that the model was made for.
"""

import numpy as np

from deploy.embedded import metrics
from deploy.embedded.engines import Array
from deploy.embedded.errors import invalid
from deploy.embedded.inference_pb2 import Input


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
    """Count the examples of a request that has been run, as TensorFlow Serving does."""
    metrics.EXAMPLE_COUNTS.observe(len(given), model)
    metrics.EXAMPLE_COUNT_TOTAL.add(model, amount=len(given))
