"""The page around the report: header, choice of the time range, and messages."""

from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from string import Template
from urllib.parse import urlencode

from deploy.gateway.dashboard.computing import Asked
from deploy.gateway.dashboard.words import PAGE_WORDS, Language, PageWords
from deploy.gateway.report.plain_text import plain
from deploy.gateway.report.time_range import TimeRange

REFRESH_S = 30
"""How often the page asks for new figures."""

_TEMPLATE = Template((Path(__file__).parent / "page.html").read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class Message:
    """What stands in the report's place: what is wrong, what to do, and the words of who refused."""

    title: str
    help: str
    said: str = ""

    def html(self) -> str:
        """Return the element."""
        said = f'<p lang="en">{escape(plain(self.said))}</p>' if self.said else ""
        return f'<div class="message" role="alert"><h2>{escape(self.title)}</h2><p>{escape(self.help)}</p>{said}</div>'


def write_page(asked: Asked, chosen: TimeRange | None, content: str) -> str:
    """Write the whole page.

    Args:
        asked: what the page's address asks for.
        chosen: the range that it means, None if it means none.
        content: the report's element, or a message's.
    """
    words = PAGE_WORDS[asked.language]
    ranges = (
        ("1h", words.last_hour),
        ("24h", words.last_day),
        ("7d", words.last_week),
        ("30d", words.last_month),
    )
    links = [_range_link(asked, since, name) for since, name in ranges]
    is_own = asked.since not in dict(ranges) or asked.until is not None
    other: Language = "en" if asked.language == "zh" else "zh"
    values = {
        **{name: escape(text) for name, text in asdict(words).items()},
        "code": asked.language,
        "other_language": _language_link(asked, other, words),
        "links": "\n    ".join(links),
        "open": " open" if is_own else "",
        "since_value": f"{chosen.since:%Y-%m-%dT%H:%M}" if chosen else "",
        "until_value": f"{chosen.until:%Y-%m-%dT%H:%M}" if chosen and asked.until else "",
        "zone_value": escape(asked.timezone or ""),
        "refresh": escape(words.refresh.format(seconds=REFRESH_S)),
        "refresh_s": str(REFRESH_S) if chosen and not asked.until else "",
        "content": content,
    }
    return _TEMPLATE.substitute(values)


def _range_link(asked: Asked, since: str, name: str) -> str:
    current = ' aria-current="true"' if asked.since == since and asked.until is None else ""
    return f'<a href="{_address(asked, since, None, asked.language)}"{current}>{escape(name)}</a>'


def _language_link(asked: Asked, language: Language, words: PageWords) -> str:
    address = _address(asked, asked.since, asked.until, language)
    return f'<a href="{address}" lang="{PAGE_WORDS[language].lang}">{escape(words.other_language)}</a>'


def _address(asked: Asked, since: str, until: str | None, language: Language) -> str:
    parts = {"since": since, "until": until, "timezone": asked.timezone, "lang": language}
    return escape("dashboard?" + urlencode({name: value for name, value in parts.items() if value}))
