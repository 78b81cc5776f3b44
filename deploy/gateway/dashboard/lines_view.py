"""Render log lines as the main part of their page."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy.gateway.dashboard.words import PageWords
from deploy.gateway.report.log_lines import FoundLines, LineFilter, LogLine
from deploy.gateway.report.templates import render
from deploy.gateway.report.time_range import TimeRange, zone_name
from deploy.gateway.report.words import Words

_TEMPLATE = Path(__file__).parent / "lines_table.html"
_FIGURES = (
    "path",
    "status_code",
    "model_name",
    "model_version",
    "device",
    "load_time_ms",
    "cpu_percent",
    "memory_mb",
    "gpu_memory_mb",
    "gpu_utilization_percent",
    "value",
    "threshold",
    "lost_lines",
)
"""The fields of lines without a question that their row shows; the others are in the line's JSON."""


@dataclass(frozen=True, slots=True)
class _Row:
    """The cells of a line, and its JSON."""

    cells: tuple[str, ...]
    json: str


def lines_html(found: FoundLines, chosen: TimeRange, wanted: LineFilter, words: Words, page: PageWords) -> str:
    """Render log lines as an element.

    They have the texts that the log has: personal data is masked there.
    """
    are_answers = any(line.fields.get("module") == "inference" for line in found.lines)
    count = page.lines_found if len(found.lines) == found.count else page.lines_some
    span = words.span.format(
        since=f"{chosen.since:%Y-%m-%d %H:%M:%S}",
        until=f"{chosen.until:%Y-%m-%d %H:%M:%S}",
        timezone=zone_name(chosen.zone, chosen.until),
    )
    header = [page.time, page.task, page.status, page.text]
    return render(
        _TEMPLATE,
        page=page,
        span=span,
        about=words.comma.join(
            [
                count.format(shown=f"{len(found.lines):,}", count=f"{found.count:,}"),
                page.slowest_first if wanted.slowest else page.latest_first,
            ]
        ),
        header=[*header, *((page.answer, page.score, page.total_ms) if are_answers else ()), page.line],
        rows=[_Row(tuple(_cells(line, words, are_answers=are_answers)), line.text) for line in found.lines],
    )


def _cells(line: LogLine, words: Words, *, are_answers: bool) -> Iterator[str]:
    fields = line.fields
    yield f"{line.time:%m-%d %H:%M:%S}.{line.time.microsecond // 1000:03}"
    yield _name(line, words)
    yield words.state(str(fields.get("status", "")))
    yield words.comma.join(_texts(line))
    if are_answers:
        yield str(fields.get("predicted_token", ""))
        yield _figure(fields.get("score"), 3)
        yield _figure(fields.get("total_time_ms"), 1)


def _name(line: LogLine, words: Words) -> str:
    module, task = (str(line.fields.get(name, "")) for name in ("module", "task"))
    if module == "inference":
        return words.task_name(task)
    if module == "resource":
        return words.process_name(str(line.fields.get("process", "")))
    return words.event_name(module, task)


def _texts(line: LogLine) -> Iterator[str]:
    """Yield the texts of a line.

    They are a question's text and error, and the figures of other lines.
    """
    fields = line.fields
    for name in ("input_text", "error_type", "error"):
        if name in fields:
            yield str(fields[name])
    if fields.get("module") != "inference":
        yield from (f"{name} {fields[name]}" for name in _FIGURES if name in fields)


def _figure(value: object, digits: int) -> str:
    return f"{value:,.{digits}f}" if isinstance(value, int | float) else ""
