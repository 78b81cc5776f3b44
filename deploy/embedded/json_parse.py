"""Read JSON as TensorFlow Serving's parser does.

That is RapidJSON with NaN and Infinity allowed: what follows the top-level value is ignored, the first of two equal
keys counts, bytes that are no UTF-8 pass through, a number that no double holds is a fault, and a fault is told with
its offset in bytes.
"""

import json
import math
import re
from typing import Any

from deploy.embedded.errors import ServingError, invalid

# Bytes that are no UTF-8 survive the way through str and back.
UNDECODABLE = "surrogateescape"

_START = re.compile("\ufeff?[ \t\n\r]*")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_STRING_OR_NUMBER = re.compile(rf"{_STRING.pattern}|(-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)", re.DOTALL)
_STRING_OR_SHORT_NAME = re.compile(rf"{_STRING.pattern}|-(NaN)|(-?Inf)(?!inity)", re.DOTALL)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_ESCAPE = re.compile(r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F])|.)", re.DOTALL)
_LITERALS = ("true", "false", "null", "NaN", "Infinity")
_TEXTS = {
    "Expecting value": "Invalid value.",
    "Expecting property name enclosed in double quotes": "Missing a name for object member.",
    "Expecting ':' delimiter": "Missing a colon after a name of object member.",
    "Unterminated string starting at": "Missing a closing quotation mark in string.",
    "Invalid \\escape": "Invalid escape character in string.",
    "Invalid \\uXXXX escape": "Incorrect hex digit after \\u escape in string.",
    "Invalid control character at": "Invalid encoding in string.",
}


def parse(body: bytes) -> Any:
    """Return the top-level JSON value of a request body.

    A whole number beyond 64 bits is a float, as it is for RapidJSON.

    Raises:
        ServingError: INVALID_ARGUMENT, the text and the offset of the fault.
    """
    if not body:
        msg = "JSON Parse error: The document is empty"
        raise invalid(msg)
    text = body.decode("utf-8", UNDECODABLE)
    match = _START.match(text)
    start = match.end() if match else 0
    if start == len(text):
        reason = "The document is empty."
        raise _error(reason, text, start)
    try:
        value = _decode(text, start)
    except json.JSONDecodeError as error:
        raise _translate(error) from None
    except RecursionError:
        reason = "The document is nested too deeply."
        raise _error(reason, text, start) from None
    except OverflowError:
        reason = "Number too big to be stored in double."
        raise _error(reason, text, _find_too_big(text)) from None
    if _SURROGATE.search(text):
        for escape in _ESCAPE.finditer(text):
            if escape[1]:
                reason = "The surrogate pair in string is invalid."
                raise _error(reason, text, escape.start())
    return value


def _decode(text: str, start: int) -> Any:
    try:
        return _DECODER.raw_decode(text, start)[0]
    except json.JSONDecodeError as error:
        if not text.startswith(("Inf", "-Inf", "-NaN"), error.pos):
            raise
        try:
            return _DECODER.raw_decode(_STRING_OR_SHORT_NAME.sub(_in_full, text), start)[0]
        except json.JSONDecodeError:
            raise error from None  # whose offset is that of the text as it came


def _in_full(match: re.Match[str]) -> str:
    """Write RapidJSON's further names of the numbers that are none as Python reads them."""
    return "NaN" if match[1] else f"{match[2]}inity" if match[2] else match[0]


def _first_wins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    return dict(reversed(pairs))


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise OverflowError
    return number


def _integer(text: str) -> float:
    if len(text) < 19:
        return int(text)
    number = _float(text)
    if abs(number) > 2**65:  # nor would Python read any number of digits
        return number
    whole = int(text)
    return whole if -(2**63) <= whole < 2**64 else number


_DECODER = json.JSONDecoder(object_pairs_hook=_first_wins, parse_float=_float, parse_int=_integer)


def _find_too_big(text: str) -> int:
    """Return where the first number stands that no double holds."""
    for match in _STRING_OR_NUMBER.finditer(text):
        if match[1] and math.isinf(float(match[1])):
            return match.start()
    return 0


def _translate(error: json.JSONDecodeError) -> ServingError:
    text, position = error.doc, error.pos
    if error.msg == "Expecting ',' delimiter":
        return _not_a_comma(text, position)
    reason = _TEXTS.get(error.msg.removesuffix(":").strip(), "Invalid value.")
    if error.msg == "Unterminated string starting at":
        position = len(text)
    elif error.msg == "Expecting value":  # RapidJSON has eaten what still looked like a number or a literal
        position += text.startswith("-", position)
        position += max(_common_prefix(text[position : position + 8], literal) for literal in _LITERALS)
    return _error(reason, text, position)


def _not_a_comma(text: str, position: int) -> ServingError:
    """Say what is wrong behind a value: half a number, or no comma."""
    if text[position - 1].isdigit() and (half := re.compile(r"(\.)|[eE][+-]?").match(text, position)):
        reason = "Miss fraction part in number." if half[1] else "Miss exponent in number."
        return _error(reason, text, half.end())
    if _is_in_object(text[:position]):
        return _error("Missing a comma or } after an object member.", text, position)
    return _error("Missing a comma or ] after an array element.", text, position)


def _error(reason: str, text: str, position: int) -> ServingError:
    offset = len(text[:position].encode("utf-8", UNDECODABLE))
    return invalid(f"JSON Parse error: {reason} at offset: {offset}")


def _is_in_object(text: str) -> bool:
    """Return whether the innermost bracket that is still open is a brace."""
    depth = 0
    for bracket in reversed(re.findall(r"[][{}]", _STRING.sub("", text))):
        depth += 1 if bracket in "]}" else -1
        if depth < 0:
            return bool(bracket == "{")
    return False


def _common_prefix(text: str, literal: str) -> int:
    length = 0
    while length < min(len(text), len(literal)) and text[length] == literal[length]:
        length += 1
    return length
