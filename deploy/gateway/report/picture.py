"""Draw the report as a PNG with resvg.

https://github.com/linebender/resvg
"""

import re
from collections.abc import Sequence
from html import escape

from deploy.gateway.report import style, tables
from deploy.gateway.report.charts import WIDTH
from deploy.gateway.report.errors import ReportError
from deploy.gateway.report.figures import Report
from deploy.gateway.report.plain_text import plain, shorten
from deploy.gateway.report.views import charts
from deploy.gateway.report.words import Words

_MARGIN = 28
_HEAD = 150
_SCALE = 2
_ROW = 22
_EVENT_COLUMNS = ((0, 16), (120, 22), (290, 24), (460, 42))  # x coordinate and maximum length of each
_HEIGHT = re.compile(r'viewBox="0 0 \d+ (\d+)"')


def png_report(report: Report, words: Words) -> bytes:
    """Draw the charts and the latest events as one picture.

    Raises:
        ReportError: resvg is not installed, or this machine has no font for the language.
    """
    if not _can_write(words):
        package = "fonts-noto-cjk" if words.language == "zh" else "fonts-dejavu-core"
        msg = f"a PNG needs a font for {words.title!r}, which is not installed; install one, such as {package}"
        raise ReportError(msg)
    return _render(_poster(report, words))


def _poster(report: Report, words: Words) -> str:
    span, read = tables.heading(report, words)
    parts = [
        f'<text class="chart-title" x="{_MARGIN}" y="38">{escape(words.title)}</text>',
        f'<text class="chart-label" x="{_MARGIN}" y="60">{escape(span)} · {escape(read)}</text>',
    ]
    for number, (name, value) in enumerate(tables.totals(report, words)):
        x, y = _MARGIN + number % 4 * 190, 90 + number // 4 * 40
        parts.append(f'<text class="chart-label" x="{x}" y="{y}">{escape(name)}</text>')
        parts.append(f'<text class="chart-title" x="{x}" y="{y + 18}">{escape(value)}</text>')
    y = _HEAD + _MARGIN
    for chart in charts(report, words).values():
        height = int((_HEIGHT.search(chart) or [0, 0])[1])
        parts.append(chart.replace("<svg ", f'<svg x="{_MARGIN}" y="{y}" width="{WIDTH}" height="{height}" ', 1))
        y += height + _MARGIN
    events = tables.events(report, words)
    if events.rows:
        parts.append(f'<text class="chart-title" x="{_MARGIN}" y="{y + 18}">{escape(events.title)}</text>')
        parts += [_row(row, y + 46 + number * _ROW) for number, row in enumerate((events.header, *events.rows))]
        y += 46 + (len(events.rows) + 1) * _ROW
    return _picture(WIDTH + 2 * _MARGIN, y, "".join(parts))


def _row(cells: Sequence[str], y: int) -> str:
    return "".join(
        f'<text class="chart-label" x="{_MARGIN + x}" y="{y}">{escape(shorten(plain(cell), letters))}</text>'
        for cell, (x, letters) in zip(cells, _EVENT_COLUMNS, strict=True)
    )


def _can_write(words: Words) -> bool:
    """Return whether two letters of the language look different.

    Without a font both are the same box.
    """
    letters = "中国" if words.language == "zh" else "AB"
    return len({_render(_picture(20, 20, f'<text y="16">{letter}</text>')) for letter in letters}) == len(letters)


def _picture(width: int, height: int, content: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" width="{width}" height="{height}">'
        f"<style>{style.SHAPES}{style.colours(style.LIGHT)}</style>{content}</svg>"
    )


def _render(svg: str) -> bytes:
    try:
        import resvg_py
    except ImportError as error:
        msg = "a PNG needs resvg-py: pip install -c constraints.txt resvg-py; or write --format html"
        raise ReportError(msg) from error
    return resvg_py.svg_to_bytes(svg_string=svg, zoom=_SCALE, background=style.LIGHT.ground)
