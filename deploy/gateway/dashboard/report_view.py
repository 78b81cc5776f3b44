"""Render the report as the main part of the dashboard."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from markupsafe import Markup

from deploy.gateway.dashboard.plots import Plot, plots
from deploy.gateway.dashboard.tiles import HEIGHT, WIDTH, tiles
from deploy.gateway.dashboard.words import PageWords
from deploy.gateway.report import tables
from deploy.gateway.report.charts import NARROW
from deploy.gateway.report.figures import Report, Summary
from deploy.gateway.report.tables import Table
from deploy.gateway.report.templates import render
from deploy.gateway.report.views import charts
from deploy.gateway.report.words import Words

_TEMPLATE = Path(__file__).parent / "report.html"
_LONG_TABLE = 10  # more rows than there are tasks
_MANY_COLUMNS = 5


@dataclass(frozen=True, slots=True)
class _Figure:
    """A chart, and its SVG for a page without scripts."""

    plot: Plot
    picture: Markup


@dataclass(frozen=True, slots=True)
class _Section:
    """Charts with their table.

    Attributes:
        title: the heading.
        is_wide: whether it takes both columns of the grid.
        bars: the share of each row's bar in percent; empty without bars.
    """

    title: str
    figures: Sequence[_Figure]
    table: Table
    links: Sequence[str]
    note: str = ""
    is_wide: bool = False
    bars: Sequence[float] = ()

    @property
    def is_dense(self) -> bool:
        """Whether the table needs more room than half a window.

        It has many columns, not of numbers alone.
        """
        return len(self.table.header) >= _MANY_COLUMNS and len(self.table.words) > 1

    @property
    def is_folded(self) -> bool:
        """Whether the table is folded away.

        Its chart says the same in less room.
        """
        return bool(self.figures) and len(self.table.rows) > _LONG_TABLE


def report_html(report: Report, before: Summary | None, words: Words, page: PageWords) -> str:
    """Render the report as an element.

    Args:
        report: the figures.
        before: those of the period before; None if the log does not reach back so far.
        words: the report's words.
        page: the page's words.
    """
    span, read = tables.heading(report, words)
    has_lines = bool(report.source.lines)
    shown = tables.totals(report, words)
    in_tiles = {words.requests, words.failed}
    return render(
        _TEMPLATE,
        report=report,
        words=words,
        page=page,
        span=span,
        read=read,
        tiles=tiles(report, before, words, page) if has_lines else [],
        totals=[(name, value) for name, value in shown if name not in in_tiles] if has_lines else [],
        sections=[one for one in _sections(report, words) if one.table.rows] if has_lines else [],
        size=(WIDTH, HEIGHT),
    )


def lines_address(report: Report, words: Words, wanted: Mapping[str, str]) -> str:
    """Return the address of the log lines behind a figure.

    The figure is of the whole range.
    """
    return "dashboard/lines?" + urlencode(
        {
            "since": report.since.isoformat(),
            "until": report.until.isoformat(),
            "timezone": report.timezone,
            "lang": words.language,
            **wanted,
        }
    )


def _sections(report: Report, words: Words) -> Iterator[_Section]:
    drawn = plots(report, words)
    pictures = charts(report, words, NARROW)  # which half a window has room for

    def section(table: Table, *keys: str, title: str = "", note: str = "", is_wide: bool = False) -> _Section:
        # charts escapes its texts
        figures = [_Figure(drawn[key], Markup(pictures[key])) for key in keys if key in drawn]  # noqa: S704
        links = [lines_address(report, words, wanted) for wanted in table.keys]
        return _Section(title or table.title, figures, table, links, note, is_wide)

    errors = section(tables.errors(report, words))
    yield section(tables.latency(report, words), "latency", note=words.latency_note)
    yield section(
        tables.calls_by_task(report, words),
        "calls_per_minute",
        title=words.calls_per_minute,
        note=words.explanations_note,
    )
    yield section(tables.calls_by_day(report, words), "calls_per_day")
    yield _Section(
        errors.title,
        errors.figures,
        errors.table,
        errors.links,
        bars=[one.count / report.errors[0].count * 100 for one in report.errors[: len(errors.table.rows)]],
    )
    yield section(tables.refused(report, words), note=words.refused_note)
    yield section(tables.resources(report, words), "cpu", "memory", "gpu_memory", "gpu_utilization", is_wide=True)
    yield section(tables.consistency(report, words), "drift", note=words.consistency_note)
    yield section(tables.alerts(report, words))
    yield section(tables.events(report, words), is_wide=True)
