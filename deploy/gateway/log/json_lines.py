"""Write a line of the log as JSON, in one line by everybody's rules."""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter
from types import MappingProxyType
from typing import Any

from deploy.gateway.log.lines import KINDS, Level, Line

Value = str | int | float

_LEVELS: dict[str, Level] = {
    "low_confidence": "WARNING",
    "cpu_fallback": "WARNING",
    "drift": "WARNING",
    "firing": "WARNING",
    "failed": "ERROR",
}


def encode(line: Line, changes: Mapping[str, Value | None] = MappingProxyType({})) -> bytes:
    """Return a line's bytes: JSON in UTF-8 with a newline at its end, and none in it by anybody's rules.

    Numbers with a fraction have six significant digits, which is finer than any of them is measured; one that is not
    finite is left out.

    Args:
        line: what to write.
        changes: other values for some of its fields; None leaves one out.
    """
    kind = type(line)
    parts = [f'{{"timestamp":"{iso_8601(line.timestamp)}","level":"{level_of(line)}"']
    for name, key, value in zip(_NAMES[kind], _KEYS[kind], _READERS[kind](line), strict=True):
        current = changes.get(name, value)
        if isinstance(current, str):
            parts.append(key + _quote(current))
        elif isinstance(current, float):
            if math.isfinite(current):
                parts.append(key + _number(current))
        elif current is not None:
            parts.append(f"{key}{current}")
    return f"{''.join(parts)}}}\n".encode()


def level_of(line: Line) -> Level:
    """Return how grave a line is: what it says itself, or what its status says."""
    return line.level or _LEVELS.get(line.status, "INFO")


# Of each kind: the names of its fields after timestamp and level, each with its JSON, and what reads them all at once.
_NAMES = {kind: tuple(one.name for one in fields(kind))[2:] for kind in KINDS}
_KEYS = {kind: tuple(f',"{name}":' for name in names) for kind, names in _NAMES.items()}
_READERS: dict[type[Line], Callable[[Line], tuple[Any, ...]]] = {
    kind: attrgetter(*names) for kind, names in _NAMES.items()
}

_to_json = json.JSONEncoder(ensure_ascii=False).encode
_UNSAFE = re.compile(r"[\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def _quote(text: str) -> str:
    """Return a text as JSON.

    JSON's own rules escape the control characters below U+0020. Escaped here are the others, and U+2028 and U+2029, at
    which Python, JavaScript and some viewers begin a new line. Half a surrogate pair, which UTF-8 cannot write and
    strict parsers refuse, becomes U+FFFD.
    """
    written = _to_json(text)
    return written if text.isprintable() else _UNSAFE.sub(_escape, written)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return "\ufffd" if 0xD800 <= code <= 0xDFFF else f"\\u{code:04x}"


def _number(value: float) -> str:
    """Return a number that a reader takes for one with a fraction, even if it has none."""
    written = f"{value:.6g}"
    return written if "." in written or "e" in written else f"{written}.0"


def iso_8601(seconds: float) -> str:
    """Return a time since 1970 in UTC with milliseconds."""
    whole = int(seconds)
    return f"{_date_and_time(whole)}.{int((seconds - whole) * 1000):03}Z"


@lru_cache(maxsize=4)
def _date_and_time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
