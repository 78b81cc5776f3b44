"""Render the pages of report and log lines."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from markupsafe import Markup

from deploy.gateway.dashboard.computing import FITTED, ReportQuery
from deploy.gateway.dashboard.words import PAGE_WORDS, Language
from deploy.gateway.report.templates import render
from deploy.gateway.report.time_range import TimeRange

REFRESH_S = 30
"""The refresh interval of the page."""

_FOLDER = Path(__file__).parent


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


def write_page(query: ReportQuery, given_zone: str | None, chosen: TimeRange | None, content: str | Message) -> str:
    """Render the page of a report.

    Args:
        query: the query of the page.
        given_zone: the zone in the page's URL; None if the query has the browser's or the machine's.
        chosen: its range; None if it is invalid or fits the log.
        content: the HTML element of the report, or a message in its place.
    """
    words = PAGE_WORDS[query.language]
    ranges = {
        FITTED: words.fitted,
        "1h": words.last_hour,
        "24h": words.last_day,
        "7d": words.last_week,
        "30d": words.last_month,
    }
    parts = {"since": query.since, "until": query.until, "timezone": given_zone, "lang": query.language}
    is_valid = chosen is not None or query.since == FITTED
    return render(
        _FOLDER / "page.html",
        **_shared(query, words.dashboard, content),
        root="",
        other_address=_address("dashboard", {**parts, "lang": _other(query.language)}),
        links=[
            _Link(
                name,
                _address("dashboard", {**parts, "since": since, "until": None}),
                query.since == since and query.until is None,
            )
            for since, name in ranges.items()
        ],
        is_own_range=query.since not in ranges or query.until is not None,
        since=f"{chosen.since:%Y-%m-%dT%H:%M}" if chosen else "",
        until=f"{chosen.until:%Y-%m-%dT%H:%M}" if chosen and query.until else "",
        given_zone=given_zone,
        zone=query.timezone or "Asia/Shanghai",
        refresh_s=REFRESH_S,
        is_refreshed=is_valid and not query.until,
    )


def write_lines_page(query: ReportQuery, parameters: Mapping[str, str], content: str | Message) -> str:
    """Render the page of log lines.

    Args:
        query: the query of the page.
        parameters: those of its URL, for the same lines in the other language.
        content: the HTML element of the lines, or a message in its place.
    """
    words = PAGE_WORDS[query.language]
    back = {name: value for name, value in parameters.items() if name in {"timezone", "lang"}}
    return render(
        _FOLDER / "lines.html",
        **_shared(query, words.lines, content),
        root="../",
        other_address=_address("lines", {**parameters, "lang": _other(query.language)}),
        back=_address("../dashboard", back),
    )


def _shared(query: ReportQuery, title: str, content: str | Message) -> dict[str, Any]:
    """Return the values of ``layout.html`` and ``content.html``."""
    return {
        "query": query,
        "words": PAGE_WORDS[query.language],
        "title": title,
        "other_lang": PAGE_WORDS[_other(query.language)].lang,
        "message": content if isinstance(content, Message) else None,
        # the element's template escapes its texts
        "report": None if isinstance(content, Message) else Markup(content),  # noqa: S704
    }


def _other(language: Language) -> Language:
    return "en" if language == "zh" else "zh"


def _address(page: str, parameters: Mapping[str, str | None]) -> str:
    return f"{page}?" + urlencode({name: value for name, value in parameters.items() if value})
