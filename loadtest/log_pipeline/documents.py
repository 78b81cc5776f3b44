"""Compare the documents of a stream with the log lines."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from deploy.elasticsearch.json_api import ApiError, JsonApi

_PAGE = 5000
_KEPT_S = "1m"
_ADDED = "event.dataset"
"""What Filebeat adds to a line."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The lines and documents, and how they differ.

    A document matches a line if all their values are equal.

    Attributes:
        lines: lines that are JSON.
        documents: documents of such lines.
        missing: lines without a document.
        surplus: documents without a line of their own.
        unparsed_lines: lines that are not JSON.
        unparsed_documents: documents of such lines.
        example: a missing line or surplus document.
    """

    lines: int
    documents: int
    missing: int
    surplus: int
    unparsed_lines: int
    unparsed_documents: int
    example: str | None

    @property
    def is_empty(self) -> bool:
        """Whether each line is there once."""
        return not (self.missing or self.surplus) and self.unparsed_lines == self.unparsed_documents


def compare(api: JsonApi, namespace: str, files: Iterable[Path]) -> Difference:
    """Compare all lines with all documents.

    Args:
        api: the server.
        namespace: the namespace of the streams.
        files: the log's files.
    """
    wanted: Counter[str] = Counter()
    unparsed: Counter[str] = Counter()
    for file in files:
        for text in file.read_text("utf-8").split("\n"):
            line = _object(text)
            if line is not None:
                wanted[_key(_expected(line))] += 1
            elif text:
                unparsed[text] += 1
    there = Counter(
        _key({name: value for name, value in flat(source).items() if name != _ADDED})
        for source in documents(api, f"logs-bert.gateway-{namespace}")
    )
    texts = Counter(source["message"] for source in documents(api, f"logs-bert.unparsed-{namespace}"))
    missing, surplus = wanted - there, there - wanted
    return Difference(
        lines=wanted.total(),
        documents=there.total(),
        missing=missing.total() + (unparsed - texts).total(),
        surplus=surplus.total() + (texts - unparsed).total(),
        unparsed_lines=unparsed.total(),
        unparsed_documents=texts.total(),
        example=next(iter([*missing, *surplus]), None),
    )


def count(api: JsonApi, stream: str) -> int:
    """Return the number of searchable documents.

    It is 0 while the stream does not exist or is being created.
    """
    try:
        api.ask("POST", f"/{stream}/_refresh", missing={})
        answer = api.ask("GET", f"/{stream}/_count", missing={"count": 0})
    except ApiError as error:
        if error.status != HTTPStatus.SERVICE_UNAVAILABLE:
            raise
        return 0
    return int(answer["count"])


def documents(api: JsonApi, stream: str) -> Iterator[dict[str, Any]]:
    """Yield the source of every document of a stream.

    A missing stream has no documents.
    """
    api.ask("POST", f"/{stream}/_refresh", missing={})
    query = {"size": _PAGE, "sort": ["_doc"]}
    page = api.ask("POST", f"/{stream}/_search?scroll={_KEPT_S}", query, missing={"hits": {"hits": []}})
    while hits := page["hits"]["hits"]:
        yield from (hit["_source"] for hit in hits)
        page = api.ask("POST", "/_search/scroll", {"scroll": _KEPT_S, "scroll_id": page["_scroll_id"]})


def flat(document: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the values of a document by their dotted names."""
    found: dict[str, Any] = {}
    for name, value in document.items():
        found |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return found


def _object(text: str) -> dict[str, Any] | None:
    try:
        line = json.loads(text)
    except ValueError:
        return None
    return line if isinstance(line, dict) else None


def _expected(line: Mapping[str, Any]) -> dict[str, Any]:
    return {"@timestamp" if name == "timestamp" else f"gw.{name}": value for name, value in line.items()}


def _key(values: Mapping[str, Any]) -> str:
    """Return a text that is equal for equal values.

    Filebeat writes 1.0 as 1.
    """
    plain = {name: float(value) if isinstance(value, (int, float)) else value for name, value in values.items()}
    return json.dumps(plain, sort_keys=True, ensure_ascii=False)
