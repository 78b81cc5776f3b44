"""Test the report as text, JSON, HTML and PNG."""

import dataclasses
import json
import re
import struct
from html.parser import HTMLParser

import pytest

from deploy.gateway.report import style
from deploy.gateway.report.charts import NARROW
from deploy.gateway.report.errors import ReportError
from deploy.gateway.report.figures import Report, as_json
from deploy.gateway.report.html_report import html_report, stylesheet
from deploy.gateway.report.picture import png_report
from deploy.gateway.report.plain_text import plain, shorten, width
from deploy.gateway.report.text_report import text_report
from deploy.gateway.report.views import drift_held
from deploy.gateway.report.words import CHINESE, ENGLISH, WORDS, Words

LANGUAGES = list(WORDS.values())


class Elements(HTMLParser):
    """The elements, attributes and texts of a page."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("words", LANGUAGES)
def test_html_shows_hostile_text_and_runs_and_fetches_nothing(report: Report, words: Words) -> None:
    found = Elements(html_report(report, words))
    assert "<script>alert('嵌入')</script>" in found.text
    assert not {"script", "img", "link", "iframe", "object", "a"} & set(found.names)
    assert not [name for name, _ in found.attributes if name.startswith("on") or name in {"src", "href", "style"}]
    assert ("http-equiv", "Content-Security-Policy") in found.attributes
    assert not {"\x1b", "\u202e"} & set(found.text)


def test_html_has_all_views_with_ids_of_their_own(report: Report) -> None:
    found = Elements(html_report(report, ENGLISH))
    ids = [value for name, value in found.attributes if name == "id"]
    assert found.names.count("svg") == 9 * 2  # each for a screen and for a phone
    assert len(ids) == len(set(ids)) == 18 * 2
    views = ("latency", "calls-per-minute", "calls-per-day", "errors", "cpu", "memory", "drift")
    assert all(f"{name}-title" in ids and f"{name}-{NARROW}-title" in ids for name in views)


def test_the_stylesheet_fits_a_strict_policy_and_the_switch_of_a_page() -> None:
    assert "light-dark(" in stylesheet()
    assert "prefers-color-scheme" not in stylesheet()  # the page's switch decides, by color-scheme
    assert not re.search("[<>\"']/", stylesheet())
    assert stylesheet().count("{") == stylesheet().count("}")


@pytest.mark.parametrize("words", LANGUAGES)
def test_every_form_shows_drift_and_what_happened(report: Report, words: Words) -> None:
    page, text = Elements(html_report(report, words)).text, text_report(report, words)
    for shown in (page, text):
        for part in (words.consistency, words.events, words.cpu_fallback, words.lost_lines, words.consistency_check):
            assert part in shown
        assert words.limit_detail.format(value="75,210 ms", threshold="60,000") in shown
        assert words.limit_detail.format(value="612.5", threshold="500") in shown
    without = dataclasses.replace(report, events=(), consistency=(), drift_over_time=())
    heights = [struct.unpack(">I", png_report(one, words)[20:24])[0] for one in (report, without)]
    assert heights[0] - heights[1] > 2 * (250 + 14 * 20)  # a chart, and a row for each of 14 events


def test_a_check_counts_until_the_next_but_not_while_the_gateway_is_down(report: Report) -> None:
    values = drift_held(report)
    up = {usage.start for usage in report.resources}
    down = [value for start, value in zip(report.starts, values, strict=True) if start not in up]
    assert down
    assert set(down) == {None}
    first = report.drift_over_time[0]
    later = dataclasses.replace(report, drift_over_time=(first,))
    held = drift_held(later)
    assert first.threshold == 0.05
    assert held[: held.index(None)] == [pytest.approx(first.value / 0.05 * 100)] * held.index(None)
    assert held.index(None) > 10


def test_the_page_speaks_its_language(report: Report) -> None:
    assert '<html lang="zh">' in html_report(report, CHINESE)
    assert "每分钟请求数" in html_report(report, CHINESE)
    assert "Requests a minute" in html_report(report, ENGLISH)


def test_an_empty_range_is_said_on_the_page(report: Report) -> None:
    empty = dataclasses.replace(report, source=dataclasses.replace(report.source, lines=0))
    assert ENGLISH.no_lines in html_report(empty, ENGLISH)


def test_a_log_without_requests_still_shows_what_there_is(report: Report) -> None:
    totals = dataclasses.replace(report.totals, busiest_minute=None, success_share=None)
    idle = dataclasses.replace(
        report, totals=totals, latency=(), latency_over_time=(), calls_by_day=(), calls_over_time=(), errors=()
    )
    assert Elements(html_report(idle, ENGLISH)).names.count("svg") == 6 * 2
    assert "gateway" in text_report(idle, ENGLISH)


def test_json_has_every_figure_and_times_with_their_offset(report: Report) -> None:
    figures = json.loads(json.dumps(as_json(report)))
    assert figures["totals"]["sentences"] == 20_000
    assert figures["since"] == "2026-04-05T14:30:00+08:00"
    assert figures["latency"][0].keys() >= {"task", "p50_ms", "p95_ms", "p99_ms", "mean_ms"}
    assert {error["error_type"] for error in figures["errors"]} >= {"DeadlineExceeded", "ValueError"}


@pytest.mark.parametrize("words", LANGUAGES)
def test_text_has_aligned_columns_and_nothing_a_terminal_obeys(report: Report, words: Words) -> None:
    text = text_report(report, words)
    assert not {"\x1b", "\u202e", "\r"} & set(text)
    lines = text.splitlines()
    start = lines.index(words.errors)
    header, first, second = lines[start + 1 : start + 4]
    before = header[: header.index(words.last_seen)]
    assert {width(line[: line.index("04-0")]) for line in (first, second)} == {width(before)}


def test_text_fits_a_wide_terminal(report: Report) -> None:
    assert max(width(line) for line in text_report(report, ENGLISH).splitlines()) <= 150


def test_a_png_is_as_wide_as_its_charts_twice_over(report: Report) -> None:
    picture = png_report(report, ENGLISH)
    assert picture.startswith(b"\x89PNG\r\n")
    wide, high = struct.unpack(">II", picture[16:24])
    assert (wide, high > 3000) == (1632, True)


def test_a_language_without_a_font_is_refused_with_the_package(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    from deploy.gateway.report import picture

    monkeypatch.setattr(picture, "_render", lambda _: b"the same for every letter")
    with pytest.raises(ReportError, match="fonts-noto-cjk"):
        png_report(report, CHINESE)


@pytest.mark.parametrize("palette", [style.LIGHT, style.DARK])
def test_colours_stand_out_from_their_ground(palette: style.Palette) -> None:
    """WCAG 2.2: 4.5:1 for text, 3:1 for shapes that carry meaning."""
    assert all(contrast(colour, palette.ground) >= 4.5 for colour in (palette.text, palette.muted))
    assert contrast(palette.muted, palette.raised) >= 4.5
    assert all(contrast(colour, palette.ground) >= 3 for colour in palette.shapes.values())


def contrast(one: str, other: str) -> float:
    """https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio."""

    def luminance(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_a_width_is_what_a_terminal_shows() -> None:
    assert [width(text) for text in ("abc", "中文", "，", "e\u0301", "")] == [3, 4, 2, 1, 0]


def test_a_text_is_shortened_to_columns_not_characters() -> None:
    assert shorten("中文中文中文", 6) == "中文…"
    assert shorten("short", 5) == "short"


def test_controls_become_visible() -> None:
    assert plain("a\x1b[2J\n\u202eb") == "a\ufffd[2J\ufffd\ufffdb"
