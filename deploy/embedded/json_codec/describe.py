"""Format JSON values for errors as TensorFlow Serving does.

The format is that of RapidJSON's pretty writer with arrays on one line. It is truncated after the token that reaches
256 bytes, so that a large request is not repeated in its answer.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from deploy.embedded.json_codec.parse import UNDECODABLE, members
from deploy.embedded.json_codec.text import INDENT, decimals, quote

_MAX_BYTES = 256
_LITERALS = {None: "null", True: "true", False: "false"}


def describe(value: Any) -> str:
    """Return a JSON value as text, truncated if long."""
    if isinstance(value, float):  # a bare number has the format of a tensor's numbers
        fits = abs(value) <= float(np.finfo(np.float32).max)
        return decimals(np.array([value], np.float32 if fits else np.float64))[0]
    text, size = "", 0
    for token in _tokens(value, "", 0):
        text += token
        size += len(token.encode("utf-8", UNDECODABLE))
        if size >= _MAX_BYTES:
            break
    return text


def _tokens(value: Any, before: str, depth: int) -> Iterator[str]:
    """Yield the tokens of a value.

    ``before`` separates it from the last one.

    ``describe`` stops at 256 bytes, which bounds the recursion.
    """
    match value:
        case list():
            yield f"{before}["
            for index, element in enumerate(value):
                yield from _tokens(element, ", " if index else "", depth + 1)
            yield "]"
        case dict():
            yield f"{before}{{"
            for index, (name, member) in enumerate(members(value)):
                yield f"{',' if index else ''}\n{INDENT * (depth + 1)}{quote(name)}"
                yield from _tokens(member, ": ", depth + 1)
            yield f"\n{INDENT * depth}}}" if value else "}"
        case None | bool():
            yield f"{before}{_LITERALS[value]}"
        case str():
            yield f"{before}{quote(value)}"
        case float():
            yield f"{before}{_shortest(value)}"
        case _:
            yield f"{before}{value}"


def _shortest(number: float) -> str:
    """Format a number with the fewest digits that round-trip.

    The format is that of RapidJSON's ``Prettify`` (dtoa.h).
    """
    if not math.isfinite(number):
        return decimals(np.array([number]))[0]
    written = repr(abs(number))
    sign = "-" if np.signbit(number) else ""
    mantissa, _, exponent = written.partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0").rstrip("0") or "0"
    # The number is 0.DIGITS times 10 to this power.
    power = len(whole) + int(exponent or 0) if whole != "0" else len(fraction.lstrip("0")) - len(fraction)
    if digits == "0":
        text = "0.0"
    elif len(digits) <= power <= 21:
        text = digits + "0" * (power - len(digits)) + ".0"
    elif 0 < power <= 21:
        text = f"{digits[:power]}.{digits[power:]}"
    elif -6 < power <= 0:
        text = f"0.{'0' * -power}{digits}"
    else:
        text = f"{digits[0]}{'.' if len(digits) > 1 else ''}{digits[1:]}e{power - 1}"
    return sign + text
