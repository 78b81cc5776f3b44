"""Recognize an output that an earlier run completed."""

import json
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

from bert_mlm_client.cli.document import passed_fields
from bert_mlm_client.cli.lines import Line
from bert_mlm_client.cli.resume import Done


def finished(output: Path, lines: Iterator[Line[Any]]) -> Done | None:
    """Return the progress of a complete output.

    Return None if a line of the input is missing. Numbers and fields are compared. The options of the earlier run are
    unknown, since its sidecar file is gone.
    """
    count = failed = number = 0
    with output.open("rb") as file:
        for raw, line in zip_longest(file, lines):
            document = None if raw is None or line is None else _parse(raw)
            if document is None or document.get("line") != line.number:
                return None
            if any(document.get(name, ...) != value for name, value in passed_fields(line).items()):
                return None
            if ("answer" in document) is ("error" in document):
                return None
            count, number = count + 1, line.number
            failed += "error" in document
    return Done(number, count, failed)


def _parse(raw: bytes) -> Mapping[str, Any] | None:
    try:
        document = json.loads(raw)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None
