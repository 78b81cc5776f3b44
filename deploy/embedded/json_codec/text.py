"""Format strings and numbers as TensorFlow Serving does.

The rules are those of RapidJSON's writer and TensorFlow Serving's WriteDecimal. orjson is no substitute: it writes
1e-05 as 0.00001, and NaN and infinities as null.
"""

import json
import re

import numpy as np

from deploy.embedded.engines import Array

INDENT = " " * 4

_CONTROL = re.compile(r"\\(?:u00([01][0-9a-f])|.)")
_NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
# Digits with which every number of the type round-trips (max_digits10).
FULL_PRECISION = {np.dtype(np.float32): "%.9g", np.dtype(np.float64): "%.17g"}


def quote(text: str) -> str:
    """Quote a string."""
    quoted = json.dumps(text, ensure_ascii=False)
    return _CONTROL.sub(_upper, quoted) if "\\u" in quoted else quoted


def decimals(array: Array) -> list[str]:
    """Format floats as %.6g or with full precision.

    Full precision is for numbers that do not round-trip with %.6g.
    """
    values = array.ravel().tolist()
    texts = ["%.6g" % value for value in values]  # noqa: UP031 - Python's fastest formatting
    with np.errstate(over="ignore"):
        exact = np.array([float(text) for text in texts]).astype(array.dtype) == array.ravel()
    full = FULL_PRECISION[array.dtype]
    for index in np.flatnonzero(~exact).tolist():
        texts[index] = full % values[index]
    return [text if "." in text or "e" in text else _NOT_FINITE.get(text) or text + ".0" for text in texts]


def _upper(escape: re.Match[str]) -> str:
    """Convert the hexadecimal digits of an escape to upper case."""
    return f"\\u00{escape[1].upper()}" if escape[1] else escape[0]
