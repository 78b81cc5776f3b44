"""Write arrays as JSON in TensorFlow Serving's format."""

import base64
import math
from collections.abc import Mapping, Sequence

import numpy as np

from deploy.embedded.engines import Array
from deploy.embedded.errors import ServingError, invalid
from deploy.embedded.json_codec.parse import UNDECODABLE
from deploy.embedded.json_codec.text import FULL_PRECISION, INDENT, decimals, quote
from deploy.embedded.proto.inference_pb2 import ClassificationResult, RegressionResult


def rows(outputs: Mapping[str, Array]) -> bytes:
    """Write ``{"predictions": [...]}`` with one element a row.

    A row is an entry of the first dimension.

    Raises:
        ServingError: INVALID_ARGUMENT, an output is a scalar or has another number of rows.
    """
    batch = -1
    for name, array in outputs.items():
        if array.ndim == 0:
            msg = f"Tensor name: {name} has no shape information "
            raise invalid(msg)
        if batch >= 0 and len(array) != batch:
            msg = f"Tensor name: {name} has inconsistent batch size: {len(array)} expecting: {batch}"
            raise invalid(msg)
        batch = len(array)
    if not outputs:
        raise _empty()
    columns = {name: _nested(_elements(name, array), array.shape, 1) for name, array in outputs.items()}
    if batch == 0:
        written = "[]"
    elif len(columns) == 1:
        (column,) = columns.values()
        written = f"[{', '.join(column)}\n{INDENT}]"
    else:
        keys = [quote(name) for name in columns]
        separator = f",\n{INDENT * 3}"
        objects = (
            separator.join(f"{key}: {value}" for key, value in zip(keys, values, strict=True))
            for values in zip(*columns.values(), strict=True)
        )
        listed = ",".join(f"\n{INDENT * 2}{{\n{INDENT * 3}{members}\n{INDENT * 2}}}" for members in objects)
        written = f"[{listed}\n{INDENT}]"
    return _encode(f'{{\n{INDENT}"predictions": {written}\n}}')


def columns(outputs: Mapping[str, Array]) -> bytes:
    """Write ``{"outputs": ...}`` with a tensor or several by name.

    Raises:
        ServingError: INVALID_ARGUMENT, there is no output.
    """
    if not outputs:
        raise _empty()
    depth = 1 if len(outputs) == 1 else 2
    tensors = {name: _nested(_elements(name, array), array.shape, 0, depth)[0] for name, array in outputs.items()}
    if len(tensors) == 1:
        (written,) = tensors.values()
    else:
        members = f",\n{INDENT * 2}".join(f"{quote(name)}: {tensor}" for name, tensor in tensors.items())
        written = f"{{\n{INDENT * 2}{members}\n{INDENT}}}"
    return _encode(f'{{\n{INDENT}"outputs": {written}\n}}')


def classifications(result: ClassificationResult) -> bytes:
    """Write ``{"results": [...]}`` with ``[label, score]`` pairs for each example."""
    rows = []
    for row in result.classifications:
        scores = decimals(np.array([element.score for element in row.classes], np.float32))
        labels = [_string(element.label) for element in row.classes]
        rows.append("[" + ", ".join(f"[{label}, {score}]" for label, score in zip(labels, scores, strict=True)) + "]")
    return _encode(f'{{\n{INDENT}"results": [{", ".join(rows)}\n{INDENT}]\n}}')


def regressions(result: RegressionResult) -> bytes:
    """Write ``{"results": [...]}`` with a number for each example."""
    values = decimals(np.array([element.value for element in result.regressions], np.float32))
    return _encode(f'{{\n{INDENT}"results": [{", ".join(values)}]\n}}')


def error_body(message: str) -> bytes:
    """Write ``{"error": message}``."""
    return _encode(f'{{\n{INDENT}"error": {quote(message)}\n}}')


def _elements(name: str, array: Array) -> list[str]:
    """Format every element of an array, flattened.

    Raises:
        ServingError: INVALID_ARGUMENT, JSON cannot represent the type.
    """
    if not array.size:
        return []
    match array.dtype.kind:
        case "f":
            wide = array if array.dtype in FULL_PRECISION else array.astype(np.float32)
            return decimals(wide)
        case "b":
            return ["true" if value else "false" for value in array.ravel().tolist()]
        case "i" | "u" if array.dtype != np.uint16:  # TensorFlow Serving does not write uint16 either
            return [str(value) for value in array.ravel().tolist()]
        case "O":
            values = array.ravel().tolist()
            if name.endswith("_bytes"):
                return [f'{{"b64": "{base64.b64encode(value).decode()}"}}' for value in values]
            return [_string(value) for value in values]
    msg = f"Failed to write JSON value for tensor type: {array.dtype}"
    raise invalid(msg)


def _string(value: bytes) -> str:
    return quote(value.decode("utf-8", UNDECODABLE))


def _empty() -> ServingError:
    return invalid("Cannot convert empty tensor map to JSON")


def _nested(texts: list[str], shape: Sequence[int], first: int, depth: int | None = None) -> list[str]:
    """Group flat elements into lists by dimension.

    The dimensions are those from the last up to ``first``. With a depth, each element is on its own line, as in
    RapidJSON's pretty writer; without one, all are on one line.
    """
    for axis in reversed(range(first, len(shape))):
        opening, separator, closing = "[", ", ", "]"
        if depth is not None:
            line = "\n" + INDENT * (depth + axis)
            opening, separator, closing = f"[{line}{INDENT}", f",{line}{INDENT}", f"{line}]"
        size = shape[axis]
        if size == 0:
            texts = ["[]"] * math.prod(shape[:axis])
            continue
        texts = [
            opening + separator.join(texts[start : start + size]) + closing for start in range(0, len(texts), size)
        ]
    return texts


def _encode(text: str) -> bytes:
    return text.encode("utf-8", UNDECODABLE)
