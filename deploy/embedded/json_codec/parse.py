"""Parse JSON as TensorFlow Serving does.

It uses RapidJSON 1.1.0 with NaN and Infinity allowed, which ignores text after the top-level value, accepts invalid
UTF-8 and lone low surrogates, reads integers beyond 64 bits as floats, and keeps all members with a duplicate name.
Syntax errors are reported with their byte offset (see ``fault``).

python-rapidjson 1.25 is no substitute: it rejects such surrogates, bytes, trailing text and a byte-order mark, keeps
the last of duplicate names, and has another text for control characters. On 4 MB of numbers it took 230 ms, the
standard library 290.
"""

import json
import math
import re
from collections.abc import Callable, Iterable
from typing import Any

from deploy.embedded.errors import invalid
from deploy.embedded.json_codec.fault import find_fault

# Invalid UTF-8 round-trips through str.
UNDECODABLE = "surrogateescape"

_START = re.compile("\ufeff?[ \t\n\r]*")
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u([dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_STRING_OR_NAME = re.compile(r'"(?:[^"\\]|\\.)*+"|-?(NaN)|(-?)(?:Na?)?(Inf)(?:inity)?', re.DOTALL)


class RepeatedNames(dict[str, Any]):
    """An object with duplicate names.

    The first value counts, as in RapidJSON's FindMember.

    Attributes:
        pairs: all members, in order.
    """

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(reversed(pairs))
        self.pairs = pairs


def members(value: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    """Return all members of an object in order, including duplicates."""
    return value.pairs if isinstance(value, RepeatedNames) else value.items()


def parse(body: bytes) -> Any:
    """Parse the top-level JSON value of a request body.

    Raises:
        ServingError: INVALID_ARGUMENT, with RapidJSON's text and offset.
    """
    if not body:
        msg = "JSON Parse error: The document is empty"
        raise invalid(msg)
    text = body.decode("utf-8", UNDECODABLE)
    try:
        if not _has_lone_surrogate(text):
            value = _decode(_STRICT, text)
            if isinstance(value, (dict, list)):
                return value  # for a bare number, Python treats a malformed end as trailing text
    except RecursionError:
        raise _too_deep() from None
    except (json.JSONDecodeError, OverflowError):
        pass
    if fault := find_fault(body):
        msg = f"JSON Parse error: {fault}"
        raise invalid(msg)
    try:
        return _decode(_LENIENT, _STRING_OR_NAME.sub(_as_python_reads, text))
    except RecursionError:
        raise _too_deep() from None
    except json.JSONDecodeError as error:  # for example NaN.5, which RapidJSON accepts
        offset = len(error.doc[: error.pos].encode("utf-8", UNDECODABLE))
        msg = f"JSON Parse error: Invalid value. at offset: {offset}"
        raise invalid(msg) from None


def _decode(decoder: json.JSONDecoder, text: str) -> Any:
    start = _START.match(text)
    return decoder.raw_decode(text, start.end() if start else 0)[0]


def _has_lone_surrogate(text: str) -> bool:
    return bool(_SURROGATE.search(text)) and any(escape[1] for escape in _ESCAPE.finditer(text))


def _as_python_reads(match: re.Match[str]) -> str:
    """Rewrite literals that only RapidJSON accepts."""
    if match[1]:
        return "NaN"
    if match[3]:
        return f"{match[2]}Infinity"
    return _ESCAPE.sub(_surrogate_bytes, match[0])


def _surrogate_bytes(escape: re.Match[str]) -> str:
    """Decode a lone surrogate to three bytes like RapidJSON."""
    if not escape[1]:
        return escape[0]
    return chr(int(escape[1], 16)).encode("utf-8", "surrogatepass").decode("utf-8", UNDECODABLE)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    return value if len(value) == len(pairs) else RepeatedNames(pairs)


def _decoder(read_float: Callable[[str], float]) -> json.JSONDecoder:
    def read_integer(text: str) -> float:
        if len(text) < 19:
            return int(text)
        number = read_float(text)
        if abs(number) > 2**65:  # int() rejects more than 4,300 digits
            return number
        whole = int(text)
        return whole if -(2**63) <= whole < 2**64 else number

    return json.JSONDecoder(object_pairs_hook=_object, parse_float=read_float, parse_int=read_integer)


def _checked_float(text: str) -> float:
    """Parse a number.

    Raise OverflowError if ``find_fault`` must decide whether it is too big.
    """
    number = float(text)
    if math.isinf(number) or (number == 0 and "e" in text.lower()):
        raise OverflowError
    return number


_STRICT = _decoder(_checked_float)
_LENIENT = _decoder(float)


def _too_deep() -> Exception:
    return invalid("JSON Parse error: The document is nested too deeply. at offset: 0")
