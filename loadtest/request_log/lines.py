"""Compare the clients' answers with the lines of the log."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loadtest.request_log.client import CUT_OFF


@dataclass(frozen=True, slots=True)
class SentRequest:
    """A request and its outcome.

    Attributes:
        request_id: its X-Request-Id.
        sentences: number of its sentences that the gateway read, each with a line if it was answered.
        status: the answer's HTTP status, or ``CUT_OFF``.
    """

    request_id: str
    sentences: int
    status: int

    @classmethod
    def read(cls, files: Iterable[Path]) -> "Iterator[SentRequest]":
        """Yield the requests that the load processes recorded."""
        for file in files:
            for line in file.read_text(encoding="utf-8").splitlines():
                request_id, sentences, status = line.split()
                yield cls(request_id, int(sentences), int(status))


@dataclass(slots=True)
class Comparison:
    """Counts of answers and log lines, and their differences.

    Attributes:
        statuses: answers by HTTP status; ``CUT_OFF`` if the answer did not arrive.
        lines: lines about a sentence.
        other_lines: lines about resources, loads and the like.
        cut_off_lines: those of ``lines`` whose answer did not arrive; such lines are optional.
        unread: answers to requests that the gateway had not read when it was stopped; they have no lines.
        files: number of log files.
        unreadable: lines that are not a JSON object, or are incomplete.
        missing: answered sentences without a line.
        surplus: duplicate lines, and lines about sentences that were not sent.
        contrary: lines that record a success where the answer was an error, or vice versa.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    lines: int = 0
    other_lines: int = 0
    cut_off_lines: int = 0
    unread: int = 0
    files: int = 0
    unreadable: int = 0
    missing: int = 0
    surplus: int = 0
    contrary: int = 0

    @property
    def answered(self) -> int:
        """Number of answered requests."""
        return self.statuses.total() - self.statuses[CUT_OFF]

    @property
    def is_flawless(self) -> bool:
        """Whether the lines match the answered requests."""
        return not (self.unreadable or self.missing or self.surplus or self.contrary)


def compare(asked: Iterable[SentRequest], logs: Iterable[Path]) -> Comparison:
    """Compare all lines with the requests.

    Args:
        asked: every request, with unique ids.
        logs: the log's files, rotated ones included.
    """
    found = Comparison()
    there: Counter[str] = Counter()
    failed: dict[str, bool] = {}
    for file in logs:
        found.files += 1
        for line in _lines(file, found):
            if line.get("module") != "inference":
                found.other_lines += 1
                continue
            there[line["request_id"]] += 1
            failed[line["request_id"]] = line["status"] == "failed"
    found.lines = there.total()
    for one in asked:
        found.statuses[one.status] += 1
        lines = there.pop(one.request_id, 0)
        found.surplus += max(0, lines - one.sentences)
        if one.status == CUT_OFF:
            found.cut_off_lines += lines
        else:
            found.missing += max(0, one.sentences - lines)
            found.unread += one.sentences == 0
            found.contrary += lines > 0 and failed[one.request_id] != (one.status != 200)
    found.surplus += there.total()
    return found


def _lines(file: Path, found: Comparison) -> Iterator[dict[str, Any]]:
    with file.open("rb") as lines:
        for text in lines:
            try:
                line = json.loads(text)
            except ValueError:
                line = None
            if isinstance(line, dict) and text.endswith(b"\n"):
                yield line
            else:
                found.unreadable += 1
