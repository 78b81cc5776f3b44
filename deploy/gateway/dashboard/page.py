"""Render the dashboard page."""

from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from string import Template
from urllib.parse import urlencode

from deploy.gateway.dashboard.computing import ReportQuery
from deploy.gateway.dashboard.words import PAGE_WORDS, Language, PageWords
from deploy.gateway.report.plain_text import plain
from deploy.gateway.report.time_range import TimeRange

REFRESH_S = 30
"""The refresh interval of the page."""

_TEMPLATE = Template((Path(__file__).parent / "page.html").read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class Message:
    """A message in place of the report, with the original error as ``detail``."""

    title: str
    help: str
    detail: str = ""

    def html(self) -> str:
        """Return the HTML element."""
        detail = f'<p lang="en">{escape(plain(self.detail))}</p>' if self.detail else ""
        return (
            f'<div class="message" role="alert"><h2>{escape(self.title)}</h2><p>{escape(self.help)}</p>{detail}</div>'
        )


def write_page(query: ReportQuery, chosen: TimeRange | None, content: str) -> str:
    """Render the page.

    Args:
        query: the query of the page's URL.
        chosen: its range, None if it is invalid.
        content: the HTML element of the report or a message.
    """
    words = PAGE_WORDS[query.language]
    ranges = (
        ("1h", words.last_hour),
        ("24h", words.last_day),
        ("7d", words.last_week),
        ("30d", words.last_month),
    )
    links = [_range_link(query, since, name) for since, name in ranges]
    is_own = query.since not in dict(ranges) or query.until is not None
    other: Language = "en" if query.language == "zh" else "zh"
    values = {
        **{name: escape(text) for name, text in asdict(words).items()},
        "code": query.language,
        "other_language": _language_link(query, other, words),
        "links": "\n    ".join(links),
        "open": " open" if is_own else "",
        "since_value": f"{chosen.since:%Y-%m-%dT%H:%M}" if chosen else "",
        "until_value": f"{chosen.until:%Y-%m-%dT%H:%M}" if chosen and query.until else "",
        "zone_value": escape(query.timezone or ""),
        "refresh": escape(words.refresh.format(seconds=REFRESH_S)),
        "refresh_s": str(REFRESH_S) if chosen and not query.until else "",
        "content": content,
    }
    return _TEMPLATE.substitute(values)


def _range_link(query: ReportQuery, since: str, name: str) -> str:
    current = ' aria-current="true"' if query.since == since and query.until is None else ""
    return f'<a href="{_address(query, since, None, query.language)}"{current}>{escape(name)}</a>'


def _language_link(query: ReportQuery, language: Language, words: PageWords) -> str:
    address = _address(query, query.since, query.until, language)
    return f'<a href="{address}" lang="{PAGE_WORDS[language].lang}">{escape(words.other_language)}</a>'


def _address(query: ReportQuery, since: str, until: str | None, language: Language) -> str:
    parts = {"since": since, "until": until, "timezone": query.timezone, "lang": language}
    return escape("dashboard?" + urlencode({name: value for name, value in parts.items() if value}))
