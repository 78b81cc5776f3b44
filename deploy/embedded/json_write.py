"""Write arrays and values as JSON the way TensorFlow Serving does: its number formats and its layout."""

import base64
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deploy.embedded.engines import Array
from deploy.embedded.errors import ServingError, invalid
from deploy.embedded.inference_pb2 import ClassificationResult, RegressionResult
from deploy.embedded.json_parse import UNDECODABLE

_INDENT = " " * 4
_PRETTY = json.JSONEncoder(ensure_ascii=False, indent=4)
_LONGEST_DESCRIPTION = 1000
_NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
# Digits that bring every number of the type back (max_digits10).
_FULL_PRECISION = {np.dtype(np.float32): "%.9g", np.dtype(np.float64): "%.17g"}


def rows(outputs: Mapping[str, Array]) -> bytes:
    """Write ``{"predictions": [...]}``, one element for each entry of the first dimension.

    Raises:
        ServingError: INVALID_ARGUMENT, an output has no first dimension or not the others' size.
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
        written = f"[{', '.join(column)}\n{_INDENT}]"
    else:
        keys = [json.dumps(name, ensure_ascii=False) for name in columns]
        separator = f",\n{_INDENT * 3}"
        objects = (
            separator.join(f"{key}: {value}" for key, value in zip(keys, values, strict=True))
            for values in zip(*columns.values(), strict=True)
        )
        listed = ",".join(f"\n{_INDENT * 2}{{\n{_INDENT * 3}{members}\n{_INDENT * 2}}}" for members in objects)
        written = f"[{listed}\n{_INDENT}]"
    return _encode(f'{{\n{_INDENT}"predictions": {written}\n}}')


def columns(outputs: Mapping[str, Array]) -> bytes:
    """Write ``{"outputs": ...}``: a bare tensor, or an object of several.

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
        members = f",\n{_INDENT * 2}".join(
            f"{json.dumps(name, ensure_ascii=False)}: {tensor}" for name, tensor in tensors.items()
        )
        written = f"{{\n{_INDENT * 2}{members}\n{_INDENT}}}"
    return _encode(f'{{\n{_INDENT}"outputs": {written}\n}}')


def classifications(result: ClassificationResult) -> bytes:
    """Write ``{"results": [...]}`` with ``[label, score]`` pairs for each example."""
    rows = []
    for row in result.classifications:
        scores = decimals(np.array([element.score for element in row.classes], np.float32))
        labels = [_string(element.label) for element in row.classes]
        rows.append("[" + ", ".join(f"[{label}, {score}]" for label, score in zip(labels, scores, strict=True)) + "]")
    return _encode(f'{{\n{_INDENT}"results": [{", ".join(rows)}\n{_INDENT}]\n}}')


def regressions(result: RegressionResult) -> bytes:
    """Write ``{"results": [...]}`` with a number for each example."""
    values = decimals(np.array([element.value for element in result.regressions], np.float32))
    return _encode(f'{{\n{_INDENT}"results": [{", ".join(values)}]\n}}')


def error_body(message: str) -> bytes:
    """Write ``{"error": message}``."""
    return _encode(json.dumps({"error": message}, ensure_ascii=False, indent=4))


def describe(value: Any) -> str:
    """Write a parsed JSON value for an error text, cut if it is long."""
    if isinstance(value, float):
        fits = abs(value) <= float(np.finfo(np.float32).max)
        return decimals(np.array([value], np.float32 if fits else np.float64))[0]
    text = ""
    try:
        for piece in _PRETTY.iterencode(value):
            text += piece
            if len(text) > _LONGEST_DESCRIPTION:
                return text[:_LONGEST_DESCRIPTION] + "..."
    except RecursionError:  # deeper than Python writes, though it could be read
        return text[:_LONGEST_DESCRIPTION] + "..."
    return text


def decimals(array: Array) -> list[str]:
    """Write floating-point numbers: %.6g, or as many digits as bring the number back; ``.0`` after whole ones."""
    values = array.ravel().tolist()
    texts = ["%.6g" % value for value in values]  # noqa: UP031 - the fastest of Python's formattings
    with np.errstate(over="ignore"):
        exact = np.array([float(text) for text in texts]).astype(array.dtype) == array.ravel()
    full = _FULL_PRECISION[array.dtype]
    for index in np.flatnonzero(~exact).tolist():
        texts[index] = full % values[index]
    return [text if "." in text or "e" in text else _NOT_FINITE.get(text) or text + ".0" for text in texts]


def _elements(name: str, array: Array) -> list[str]:
    """Write every element of an array, flat."""
    match array.dtype.kind:
        case "f":
            wide = array if array.dtype in _FULL_PRECISION else array.astype(np.float32)
            return decimals(wide)
        case "b":
            return ["true" if value else "false" for value in array.ravel().tolist()]
        case "i" | "u":
            return [str(value) for value in array.ravel().tolist()]
        case "O":
            values = array.ravel().tolist()
            if name.endswith("_bytes"):
                return [f'{{"b64": "{base64.b64encode(value).decode()}"}}' for value in values]
            return [_string(value) for value in values]
    msg = f"Failed to write JSON value for tensor type: {array.dtype}"
    raise invalid(msg)


def _string(value: bytes) -> str:
    return json.dumps(value.decode("utf-8", UNDECODABLE), ensure_ascii=False)


def _empty() -> ServingError:
    return invalid("Cannot convert empty tensor map to JSON")


def _nested(texts: list[str], shape: Sequence[int], first: int, depth: int | None = None) -> list[str]:
    """Group flat elements into lists, from the last dimension up to ``first``.

    With a depth the lists are written as RapidJSON's pretty writer does, an element a line; without one on one line.
    """
    for axis in reversed(range(first, len(shape))):
        opening, separator, closing = "[", ", ", "]"
        if depth is not None:
            line = "\n" + _INDENT * (depth + axis)
            opening, separator, closing = f"[{line}{_INDENT}", f",{line}{_INDENT}", f"{line}]"
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
