"""Answers as JSON."""

import json
from dataclasses import is_dataclass
from typing import Any

from bert_mlm_client.cli.lines import Line
from bert_mlm_client.errors import BertMlmError

_OURS = ("line", "answer", "error", "error_type")

_DECIMALS = 7
"""To how many decimals vectors are written: their numbers are float32 of about 1."""


def dumps(answer: Any, indent: int | None = None) -> str:
    """Return an answer as JSON, with the names of the library's results."""
    return json.dumps(answer, ensure_ascii=False, indent=indent, default=_plain)


def line_of(line: Line[Any], answer: Any) -> bytes:
    r"""Return what is written about one line of the input, with its ``\n``.

    It begins with the line's number and ends with the answer, or begins with number and error. Between them stands all
    that the input said but for names that are taken here.
    """
    said = {name: value for name, value in line.fields.items() if name not in _OURS}
    if isinstance(answer, BertMlmError):
        document = {"line": line.number, "error": str(answer), "error_type": type(answer).__name__, **said}
    else:
        document = {"line": line.number, **said, "answer": answer}
    text = dumps(document)
    try:
        return f"{text}\n".encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which a JSON input may have as \ud800
        return f"{json.dumps(json.loads(text))}\n".encode()


def _plain(value: Any) -> Any:
    """Return a result of the library as what JSON has."""
    if is_dataclass(value) and not isinstance(value, type):
        return {name: getattr(value, name) for name in value.__slots__}  # type: ignore[attr-defined]  # all have slots
    return value.astype(float).round(_DECIMALS).tolist()
