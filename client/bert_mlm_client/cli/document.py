"""Write answers as JSON."""

import json
from dataclasses import is_dataclass
from typing import Any

from bert_mlm_client.cli.hints import message_of
from bert_mlm_client.cli.lines import Line
from bert_mlm_client.errors import BertMlmError

_RESERVED = ("line", "answer", "error", "error_type")

_DECIMALS = 7
"""Decimals of a vector's numbers, which are float32 of about 1."""


def dumps(answer: Any, indent: int | None = None) -> str:
    """Serialize an answer with the library's field names."""
    return json.dumps(answer, ensure_ascii=False, indent=indent, default=_plain)


def line_of(line: Line[Any], answer: Any) -> bytes:
    r"""Return the output line for an input line.

    It starts with the line's number and ends with the answer, or starts with the number and the error. The input's own
    fields are between them, except for reserved names.
    """
    passed = passed_fields(line)
    if isinstance(answer, BertMlmError):
        document = {"line": line.number, "error": message_of(answer), "error_type": type(answer).__name__, **passed}
    else:
        document = {"line": line.number, **passed, "answer": answer}
    text = dumps(document)
    try:
        return f"{text}\n".encode()
    except UnicodeEncodeError:  # a lone surrogate, which a JSON input may contain as \ud800
        return f"{json.dumps(json.loads(text))}\n".encode()


def passed_fields(line: Line[Any]) -> dict[str, Any]:
    """Return the input fields to pass through to the output."""
    return {name: value for name, value in line.fields.items() if name not in _RESERVED}


def _plain(value: Any) -> Any:
    """Convert a result to JSON types."""
    if is_dataclass(value) and not isinstance(value, type):
        return {name: getattr(value, name) for name in value.__slots__}  # type: ignore[attr-defined]  # all have slots
    return value.astype(float).round(_DECIMALS).tolist()
