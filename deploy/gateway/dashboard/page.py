"""Render the dashboard page."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from markupsafe import Markup

from deploy.gateway.dashboard.computing import ReportQuery
from deploy.gateway.dashboard.words import PAGE_WORDS, Language
from deploy.gateway.report.templates import render
from deploy.gateway.report.time_range import TimeRange

REFRESH_S = 30
"""The refresh interval of the page."""

_TEMPLATE = Path(__file__).parent / "page.html"


@dataclass(frozen=True, slots=True)
class Message:
    """A message in place of the report.

    ``detail`` is the original error.
    """

    title: str
    help: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class _Link:
    name: str
    address: str
    is_current: bool


def write_page(query: ReportQuery, chosen: TimeRange | None, content: str | Message) -> str:
    """Render the page.

    Args:
        query: the query of the page's URL.
        chosen: its range, None if it is invalid.
        content: the HTML element of the report, or a message in its place.
    """
    words = PAGE_WORDS[query.language]
    ranges = {"1h": words.last_hour, "24h": words.last_day, "7d": words.last_week, "30d": words.last_month}
    other: Language = "en" if query.language == "zh" else "zh"
    return render(
        _TEMPLATE,
        query=query,
        words=words,
        links=[
            _Link(name, _address(query, since, None, query.language), query.since == since and query.until is None)
            for since, name in ranges.items()
        ],
        is_own_range=query.since not in ranges or query.until is not None,
        since=f"{chosen.since:%Y-%m-%dT%H:%M}" if chosen else "",
        until=f"{chosen.until:%Y-%m-%dT%H:%M}" if chosen and query.until else "",
        refresh_s=REFRESH_S,
        is_refreshed=chosen is not None and not query.until,
        other_address=_address(query, query.since, query.until, other),
        other_lang=PAGE_WORDS[other].lang,
        message=content if isinstance(content, Message) else None,
        report=None if isinstance(content, Message) else Markup(content),  # noqa: S704  html_fragment escapes its texts
    )


def _address(query: ReportQuery, since: str, until: str | None, language: Language) -> str:
    parts = {"since": since, "until": until, "timezone": query.timezone, "lang": language}
    return "dashboard?" + urlencode({name: value for name, value in parts.items() if value})
