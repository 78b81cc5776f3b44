"""Encode a log line as a single line of JSON."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring
from operator import attrgetter
from types import MappingProxyType
from typing import Any

from deploy.gateway.log.counts import COUNTS, computed
from deploy.gateway.log.lines import KINDS, Level, Line

Value = str | int | float

_LEVELS: dict[str, Level] = {
    "low_confidence": "WARNING",
    "cpu_fallback": "WARNING",
    "drift": "WARNING",
    "refused": "WARNING",
    "firing": "WARNING",
    "failed": "ERROR",
}


def encode(line: Line, changes: Mapping[str, Value | None] = MappingProxyType({})) -> bytes:
    """Encode a line as UTF-8 JSON with a newline.

    Floats have six significant digits, more than any measurement here, and counts have all; non-finite ones are
    omitted.

    Args:
        line: the line.
        changes: values that replace some of its fields; None omits a field.
    """
    kind = type(line)
    parts = [f'{{"timestamp":"{iso_8601(line.timestamp)}","level":"{level_of(line)}"']
    sample_rate = changes.get("sample_rate")
    changes = {**computed(line, sample_rate if isinstance(sample_rate, float) else None), **changes}
    for name, key, value in zip(_NAMES[kind], _KEYS[kind], _READERS[kind](line), strict=True):
        current = changes.get(name, value)
        if isinstance(current, str):
            parts.append(key + _quote(current))
        elif isinstance(current, float):
            if math.isfinite(current):
                parts.append(key + (repr(current) if name in COUNTS else _number(current)))
        elif current is not None:
            parts.append(f"{key}{current}")
    return f"{''.join(parts)}}}\n".encode()


def level_of(line: Line) -> Level:
    """Return a line's level or the default of its status."""
    return line.level or _LEVELS.get(line.status, "INFO")


# For each kind: the names of its fields after timestamp and level, their JSON keys, and a function that reads them.
_NAMES = {kind: tuple(one.name for one in fields(kind))[2:] for kind in KINDS}
_KEYS = {kind: tuple(f',"{name}":' for name in names) for kind, names in _NAMES.items()}
_READERS: dict[type[Line], Callable[[Line], tuple[Any, ...]]] = {
    kind: attrgetter(*names) for kind, names in _NAMES.items()
}

_UNSAFE = re.compile(r"[\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def _quote(text: str) -> str:
    """Encode a text as JSON.

    JSON escapes only control characters below U+0020. The others are escaped, too, as are U+2028 and U+2029, which
    Python, JavaScript and some viewers treat as line breaks. A lone surrogate, which UTF-8 cannot encode and strict
    parsers reject, becomes U+FFFD.
    """
    written = encode_basestring(text)
    return written if text.isprintable() else _UNSAFE.sub(_escape, written)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return "\ufffd" if 0xD800 <= code <= 0xDFFF else f"\\u{code:04x}"


def _number(value: float) -> str:
    """Format a float with a decimal point or exponent.

    Otherwise readers would infer an integer type.
    """
    written = f"{value:.6g}"
    return written if "." in written or "e" in written else f"{written}.0"


def iso_8601(seconds: float) -> str:
    """Format a Unix time in UTC with milliseconds."""
    whole = int(seconds)
    return f"{_date_and_time(whole)}.{int((seconds - whole) * 1000):03}Z"


@lru_cache(maxsize=4)
def _date_and_time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
