"""Write the report for a terminal."""

from collections.abc import Iterable, Sequence

from deploy.gateway.report import tables
from deploy.gateway.report.charts import short_number
from deploy.gateway.report.figures import Report
from deploy.gateway.report.plain_text import plain, shorten, width
from deploy.gateway.report.tables import Table
from deploy.gateway.report.views import drift_held, drift_title, requests_per_minute
from deploy.gateway.report.words import Words

_BLOCKS = "▁▂▃▄▅▆▇█"
_MOST_COLUMNS = 60


def text_report(report: Report, words: Words) -> str:
    """Write the figures as plain text without control characters."""
    span, read = tables.heading(report, words)
    lines = [words.title, span, read, ""]
    totals = tables.totals(report, words)
    widest = max(width(name) for name, _ in totals)
    lines += [f"{_padded(name, widest)}  {value}" for name, value in totals]
    lines += ["", *_curves(report, words)]
    days = [tables.calls_by_day(report, words)] if len(report.days) > 1 else []
    shown = (
        tables.latency(report, words),
        tables.calls_by_task(report, words),
        *days,
        tables.errors(report, words),
        tables.refused(report, words),
        tables.resources(report, words),
        tables.consistency(report, words),
        tables.alerts(report, words),
        tables.events(report, words),
    )
    for table in shown:
        if table.rows:
            lines += ["", *_lines(table)]
    return "\n".join(lines) + "\n"


def _curves(report: Report, words: Words) -> Iterable[str]:
    calls = [sum(values) for values in zip(*requests_per_minute(report).values(), strict=True)]
    slow = {one.start: one.p95_ms for one in report.latency_over_time if one.task is None}
    curves = {
        words.calls_per_minute: [value or None for value in calls],
        f"{words.latency}, P95": [slow.get(start) for start in report.starts],
        drift_title(words): drift_held(report),
    }
    for name, values in curves.items():
        most = max((value for value in values if value), default=0)
        if most:
            yield f"{name} (0–{short_number(most)})"
            yield "".join(" " if value is None else _BLOCKS[min(int(value / most * 8), 7)] for value in values)


def _lines(table: Table) -> Iterable[str]:
    cells = [table.header, *([shorten(plain(cell), _MOST_COLUMNS) for cell in row] for row in table.rows)]
    widths = [max(width(row[column]) for row in cells) for column in range(len(table.header))]
    yield table.title
    for row in cells:
        yield "  ".join(_cell(row, column, widths, table) for column in range(len(widths))).rstrip()


def _cell(row: Sequence[str], column: int, widths: Sequence[int], table: Table) -> str:
    if column in table.words:
        return _padded(row[column], widths[column])
    return " " * (widths[column] - width(row[column])) + row[column]


def _padded(text: str, columns: int) -> str:
    return text + " " * (columns - width(text))
