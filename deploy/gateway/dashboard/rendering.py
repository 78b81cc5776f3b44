"""Compute and render the answer to a dashboard query.

It runs in the process of ``computing``.
"""

from pathlib import Path
from threading import Event as Cancelled
from time import monotonic

from deploy.gateway.dashboard.computing import FITTED, ReportQuery
from deploy.gateway.dashboard.lines_view import lines_html
from deploy.gateway.dashboard.report_view import report_html
from deploy.gateway.dashboard.words import PAGE_WORDS
from deploy.gateway.report.errors import TimeLimitError
from deploy.gateway.report.extent import Extent, log_extent
from deploy.gateway.report.figures import Summary
from deploy.gateway.report.log_lines import LineFilter, find_lines
from deploy.gateway.report.query import Limits, read_report, read_summary
from deploy.gateway.report.time_range import TimeRange, fitted_range, read_zone, time_range
from deploy.gateway.report.words import WORDS

_MISSING_SHARE = 0.05


def report(log: Path, query: ReportQuery, time_limit_s: float, cancelled: Cancelled) -> str:
    """Render a report with the changes against the period before."""
    deadline = monotonic() + time_limit_s
    extent = log_extent(log)
    if query.since == FITTED:
        chosen = fitted_range(extent, read_zone(query.timezone))
    else:
        chosen = time_range(query.since, query.until, query.timezone)
    found = read_report(log, chosen, Limits(threads=1, time_s=time_limit_s, cancelled=cancelled))
    left = Limits(threads=1, time_s=max(deadline - monotonic(), 0), cancelled=cancelled)
    before = _summary_before(log, chosen, extent, left)
    return report_html(found, before, WORDS[query.language], PAGE_WORDS[query.language])


def lines(log: Path, query: ReportQuery, time_limit_s: float, cancelled: Cancelled) -> str:
    """Render the log lines of a range."""
    chosen = time_range(query.since, query.until, query.timezone)
    wanted = query.wanted or LineFilter()
    found = find_lines(log, chosen, wanted, time_s=time_limit_s, cancelled=cancelled)
    return lines_html(found, chosen, wanted, WORDS[query.language], PAGE_WORDS[query.language])


def _summary_before(log: Path, chosen: TimeRange, extent: Extent | None, limits: Limits) -> Summary | None:
    """Return the summary of the period before the range.

    Return None if the log does not reach back so far: a part of that period would make every change an increase.
    """
    length = chosen.until - chosen.since
    since = chosen.since - length
    if extent is None or extent.first > since + _MISSING_SHARE * length:
        return None
    try:
        return read_summary(log, TimeRange(since, chosen.since, chosen.zone), limits)
    except TimeLimitError:
        return None  # the report is ready, and it is worth more than the comparison
