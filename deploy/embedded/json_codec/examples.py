"""Convert the JSON bodies of ``:classify`` and ``:regress`` to tf.Examples.

A body has ``examples``, a list of objects with a value or a list of values for each feature, and optionally a
``context``, an object of features that all examples share. Follows tensorflow_serving/util/json_tensor.cc.
"""

from typing import Any

import numpy as np

from deploy.embedded.errors import ServingError, invalid
from deploy.embedded.json_codec.describe import describe
from deploy.embedded.json_codec.parse import members
from deploy.embedded.json_codec.tensor import is_base64, to_bytes, type_name
from deploy.embedded.proto.inference_pb2 import Example, ExampleList, ExampleListWithContext, Feature, Input

_LARGEST = 2**63 - 1


def read_examples(document: dict[str, Any]) -> Input:
    """Return the examples of a request.

    Raises:
        ServingError: INVALID_ARGUMENT, the examples are missing or malformed.
    """
    context = _example(document["context"]) if "context" in document else None
    if "examples" not in document:
        raise _misformed(document, "When method is classify, key 'examples' is expected and was not found")
    rows = document["examples"]
    if not isinstance(rows, list):
        raise _misformed(document, "Expecting 'examples' value to be an list/array")
    if not rows:
        raise _misformed(document, "'examples' value is an empty array")
    examples = [_example(row) for row in rows]
    if context is None:
        return Input(example_list=ExampleList(examples=examples))
    return Input(example_list_with_context=ExampleListWithContext(examples=examples, context=context))


def _example(value: Any) -> bytes:
    """Return a JSON object as a serialized tf.Example."""
    if not isinstance(value, dict):
        msg = f"Example must be JSON object but got JSON {type_name(value)}"
        raise invalid(msg)
    example = Example()
    features = example.features.feature
    for name, content in members(value):  # the last value of a duplicate name counts
        try:
            feature = features[name]
            feature.Clear()
        except UnicodeEncodeError as error:
            msg = f"The name of a feature is not UTF-8: {describe(name)}"
            raise invalid(msg) from error
        for element in content if isinstance(content, list) else [content]:
            _add(element, name, feature)
    return example.SerializeToString()


def _add(value: Any, name: str, feature: Feature) -> None:
    """Append a JSON value to a feature.

    All values of a feature are of one kind.
    """
    kind = _kind(value)
    if kind is None:
        msg = f"Feature: {name} has element with unexpected JSON type: {type_name(value)}"
        raise invalid(msg)
    settled = feature.WhichOneof("kind")
    if settled not in {None, kind}:
        msg = f"Unexpected element type in feature: {name} expecting type: {str(settled).removesuffix('_list')}"
        raise invalid(msg)
    if kind == "bytes_list":
        feature.bytes_list.value.append(to_bytes(value))
    elif kind == "float_list":
        with np.errstate(over="ignore"):  # a number too large for a float is infinite
            feature.float_list.value.append(float(np.float32(value)))
    elif value <= _LARGEST:
        feature.int64_list.value.append(int(value))
    else:
        msg = f"Feature: {name} has uint64_t element. Only int64_t is supported."
        raise invalid(msg)


def _kind(value: Any) -> str | None:
    if isinstance(value, str) or is_base64(value):
        return "bytes_list"
    if isinstance(value, int):  # includes true and false
        return "int64_list"
    return "float_list" if isinstance(value, float) else None


def _misformed(document: Any, reason: str) -> ServingError:
    return invalid(f"JSON Value: {describe(document)} {reason}")
