"""Write the report as a self-contained HTML file or as a part of a page."""

from html import escape

from deploy.gateway.report import style, tables
from deploy.gateway.report.charts import NARROW
from deploy.gateway.report.figures import Report
from deploy.gateway.report.plain_text import plain
from deploy.gateway.report.tables import Table
from deploy.gateway.report.views import charts
from deploy.gateway.report.words import Words

# Even if a text were not escaped, a browser would not run scripts or load anything.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

_LAYOUT = """\
.report{max-width:62rem;margin:0 auto;line-height:1.5}
.report h2{font-size:1rem;margin:0}
.report section{position:relative;margin:2rem 0;overflow-x:auto}
.report section p{font-size:.875rem}
.report .totals{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(13rem,40%),1fr));gap:.75rem}
.report .totals div{border-radius:.5rem;padding:.6rem .8rem}
.report .totals dt{font-size:.8rem}
.report .totals dd{margin:0;font-size:1.2rem;font-weight:600;font-variant-numeric:tabular-nums}
.report .chart{display:block;width:100%;height:auto;margin:1.5rem 0 .5rem}
.report .narrow{display:none;max-width:26rem}
@media (max-width:44rem){.report .wide{display:none}.report .narrow{display:block}}
.report table{border-collapse:collapse;font-size:.875rem;font-variant-numeric:tabular-nums;min-width:60%}
.report .unseen{position:absolute;clip-path:inset(50%);width:1px;height:1px;overflow:hidden}
.report th,.report td{padding:.3rem .8rem .3rem 0;text-align:end;white-space:nowrap;font-weight:normal}
.report .word{text-align:start}
.report td.long{white-space:normal;overflow-wrap:anywhere;min-width:14rem}
"""


def html_report(report: Report, words: Words) -> str:
    """Write the report as a complete document."""
    return (
        f'<!DOCTYPE html>\n<html lang="{words.language}"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(words.title)}</title><style>\n"
        ":root{color-scheme:light dark}\nbody{margin:0;padding:1.5rem 1rem;font-family:system-ui,sans-serif}\n"
        "h1{font-size:1.35rem;max-width:62rem;margin:0 auto}\n"
        f"{_ground(style.LIGHT)}{_ground(style.BOTH)}{stylesheet()}</style></head>"
        f"<body><main><h1>{escape(words.title)}</h1>{html_fragment(report, words)}</main></body></html>\n"
    )


def html_fragment(report: Report, words: Words) -> str:
    """Write the report as an element for a page with a heading and ``stylesheet``."""
    span, read = (escape(plain(text)) for text in tables.heading(report, words))
    head = f"<p>{span}<br>{read}</p>"
    if not report.source.lines:
        return f'<article class="report">{head}<p>{escape(words.no_lines)}</p></article>'
    totals = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in tables.totals(report, words)
    )
    wide, narrow = charts(report, words), charts(report, words, NARROW)

    def drawn(*keys: str) -> str:
        found = [key for key in keys if key in wide]
        return "".join(f'<div class="wide">{wide[key]}</div><div class="narrow">{narrow[key]}</div>' for key in found)

    sections = (
        _section(drawn("latency"), tables.latency(report, words), words.latency_note),
        _section(drawn("calls_per_minute"), tables.calls_by_task(report, words)),
        _section(drawn("calls_per_day"), tables.calls_by_day(report, words)),
        _section(drawn("errors"), tables.errors(report, words)),
        _section("", tables.refused(report, words), words.refused_note),
        _section(drawn("cpu", "memory", "gpu_memory", "gpu_utilization"), tables.resources(report, words)),
        _section(drawn("drift"), tables.consistency(report, words), words.consistency_note),
        _section("", tables.alerts(report, words)),
        _section("", tables.events(report, words)),
    )
    return f'<article class="report">{head}<dl class="totals">{totals}</dl>{"".join(sections)}</article>'


def stylesheet() -> str:
    """Return the stylesheet of the report, light or dark by the page's ``color-scheme``.

    Browsers without ``light-dark()`` use the light rules.
    """
    return _LAYOUT + style.SHAPES + _appearance(style.LIGHT) + _appearance(style.BOTH)


def _appearance(palette: style.Palette) -> str:
    return (
        f".report .totals div{{background:{palette.raised}}}\n"
        f".report .totals dt,.report p,.report thead{{color:{palette.muted}}}\n"
        f".report td,.report th{{border-bottom:1px solid {palette.grid}}}\n" + style.colours(palette)
    )


def _ground(palette: style.Palette) -> str:
    return f"body{{background:{palette.ground};color:{palette.text}}}\n"


def _section(drawn: str, table: Table, note: str = "") -> str:
    """Return charts with their figures as a table.

    The heading is visible only without a chart.

    A section that is too wide for a phone scrolls, and is focusable so that the arrow keys can scroll it.
    """
    if not table.rows:
        return ""
    unseen = ' class="unseen"' if drawn else ""
    header = "".join(
        f'<th scope="col"{_class(column, table)}>{escape(name)}</th>' for column, name in enumerate(table.header)
    )
    rows = "".join(
        "<tr>" + "".join(_cell(cell, column, table) for column, cell in enumerate(row)) + "</tr>" for row in table.rows
    )
    below = f"<p>{escape(note)}</p>" if note else ""
    return (
        f'<section tabindex="0" aria-label="{escape(table.title)}"><h2{unseen}>{escape(table.title)}</h2>{drawn}'
        f'<table aria-label="{escape(table.title)}"><thead><tr>{header}</tr></thead><tbody>{rows}</tbody></table>'
        f"{below}</section>"
    )


def _cell(text: str, column: int, table: Table) -> str:
    if column == 0:
        return f'<th scope="row" class="word">{escape(plain(text))}</th>'
    return f"<td{_class(column, table)}>{escape(plain(text))}</td>"


def _class(column: int, table: Table) -> str:
    if column not in table.words:
        return ""
    return ' class="word long"' if column == len(table.header) - 1 else ' class="word"'
