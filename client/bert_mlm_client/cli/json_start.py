"""Recognize JSON documents where lines are expected."""

import json
import re
from typing import Literal

# The start of a document that goes on in the next line. [MASK] and [1] start texts.
_OPEN_ARRAY = re.compile(r'\s*\[\s*(?:$|[{"]|\[\s*[{"])')
_OPEN_OBJECT = re.compile(r'\s*\{\s*(?:$|")')


def kind_of(line: str) -> Literal["object", "array"] | None:
    """Return the kind of JSON document that a line starts.

    An empty object or array is a text.
    """
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return "array" if _OPEN_ARRAY.match(line) else "object" if _OPEN_OBJECT.match(line) else None
    if not document:
        return None
    return "object" if isinstance(document, dict) else "array" if isinstance(document, list) else None


def is_open_array(line: str) -> bool:
    """Return whether a line starts an unclosed JSON array."""
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return _OPEN_ARRAY.match(line) is not None
    return False
