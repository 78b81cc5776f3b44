"""Convert between the JSON bodies of ``:predict`` and arrays.

A body has either ``instances``, a list with one value (or one object of named values) for each row, or ``inputs``, a
whole tensor (or an object of named ones). Follows tensorflow_serving/util/json_tensor.cc.
"""

import math
from collections.abc import Mapping
from typing import Any

from bert_mlm_client.wire import messages

from deploy.embedded.engines import Array
from deploy.embedded.errors import ServingError, invalid
from deploy.embedded.json_codec import write as json_write
from deploy.embedded.json_codec.describe import describe
from deploy.embedded.json_codec.parse import parse
from deploy.embedded.json_codec.tensor import is_base64, to_array

Inputs = Mapping[str, messages.TensorInfo]


def read_document(body: bytes) -> dict[str, Any]:
    """Parse a request's top-level object.

    Raises:
        ServingError: INVALID_ARGUMENT, the body is not a JSON object.
    """
    document = parse(body)
    if not isinstance(document, dict):
        raise _misformed(document, "Is not object")
    return document


def read_signature_name(document: dict[str, Any]) -> str:
    """Return a request's signature name or an empty string.

    Raises:
        ServingError: INVALID_ARGUMENT, the name is not a string.
    """
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise _misformed(document, "not formatted correctly. 'signature_name' key must be a string value.")
    return name


def read_inputs(document: dict[str, Any], inputs: Inputs) -> dict[str, Array]:
    """Return a request's arrays by input name.

    Raises:
        ServingError: INVALID_ARGUMENT, the values do not fit the signature's inputs.
    """
    if "instances" in document and "inputs" in document:
        raise _misformed(
            document, "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist "
        )
    if "instances" in document:
        instances = document["instances"]
        if not isinstance(instances, list):
            raise _misformed(document, "Expecting 'instances' to be an list/array")
        if not instances:
            raise _misformed(document, "No values in 'instances' array")
        return _from_rows(instances, inputs)
    if "inputs" in document:
        return _from_columns(document["inputs"], inputs)
    msg = "Missing 'inputs' or 'instances' key"
    raise invalid(msg)


def write_outputs(outputs: Mapping[str, Array], by_row: bool) -> bytes:  # noqa: FBT001 - the format of the request
    """Format outputs in the request's format.

    Raises:
        ServingError: INVALID_ARGUMENT, the outputs differ in rows, or JSON cannot represent a type.
    """
    return json_write.rows(outputs) if by_row else json_write.columns(outputs)


def _from_columns(value: Any, inputs: Inputs) -> dict[str, Array]:
    if not _is_named(value):
        if len(inputs) > 1:
            msg = (
                "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
                "tensorinfo_map"
            )
            raise invalid(msg)
        ((name, info),) = inputs.items()
        return {name: to_array(value, info.dtype)}
    arrays = {}
    for name in sorted(inputs):
        if name not in value:
            msg = f"Missing named input: {name} in 'inputs' object."
            raise invalid(msg)
        arrays[name] = to_array(value[name], inputs[name].dtype)
    return arrays


def _from_rows(rows: list[Any], inputs: Inputs) -> dict[str, Array]:
    if not isinstance(rows[0], dict) and len(inputs) > 1:
        msg = (
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map"
        )
        raise invalid(msg)
    named = _is_named(rows[0])
    if any(_is_named(row) is not named or (named and row.keys() != inputs.keys()) for row in rows):
        raise _explain(rows, inputs)
    try:
        if named:
            return {name: to_array([row[name] for row in rows], info.dtype) for name, info in inputs.items()}
        name = min(inputs)
        return {name: to_array(rows, inputs[name].dtype)}
    except ServingError as error:
        raise _explain(rows, inputs) from error


def _explain(rows: list[Any], inputs: Inputs) -> ServingError:
    """Create the error of the first invalid row.

    TensorFlow Serving reads row by row.
    """
    named = _is_named(rows[0])
    shapes: dict[str, tuple[int, ...]] = {}
    for number, row in enumerate(rows):
        if named and not _is_named(row):
            return invalid(f"Expecting object but got list at item {number} of input list")
        if not named and _is_named(row):
            return invalid(f"Expecting value/list but got object at item {number} of input list")
        for name, value in row.items() if named else [(min(inputs), row)]:
            key = f" key: {name}" if named else ""
            try:
                _check_row_value(name, value, inputs, shapes)
            except ServingError as error:
                return invalid(f"Failed to process element: {number}{key} of 'instances' list. Error: {error.text}")
        if named and row.keys() != inputs.keys():
            return invalid(
                f"Failed to process element: {number} of 'instances' list. JSON object: {describe(row)} "
                f"keys must be equal to: {','.join(sorted(inputs))}"
            )
    return invalid("The rows of 'instances' do not make one tensor.")


def _check_row_value(name: str, value: Any, inputs: Inputs, shapes: dict[str, tuple[int, ...]]) -> None:
    if name not in inputs:
        msg = f"JSON object: does not have named input: {name}"
        raise invalid(msg)
    array = to_array(value, inputs[name].dtype)
    shape = shapes.setdefault(name, array.shape)
    if array.size != math.prod(shape):
        msg = f"Expecting tensor size: {math.prod(shape)} but got: {array.size}"
        raise invalid(msg)
    if array.shape != shape:
        msg = f"Expecting shape {_format_shape(shape)} but got: {_format_shape(array.shape)}"
        raise invalid(msg)


def _is_named(value: Any) -> bool:
    return isinstance(value, dict) and not is_base64(value)


def _format_shape(shape: tuple[int, ...]) -> str:
    return f"[{','.join(map(str, shape))}]"


def _misformed(value: Any, reason: str) -> ServingError:
    return invalid(f"JSON Value: {describe(value)} {reason}")
