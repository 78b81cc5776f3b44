"""Write the report as a self-contained HTML file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from deploy.gateway.report import style, tables
from deploy.gateway.report.charts import NARROW
from deploy.gateway.report.figures import Report
from deploy.gateway.report.tables import Table
from deploy.gateway.report.templates import render
from deploy.gateway.report.views import charts
from deploy.gateway.report.words import Words

_FOLDER = Path(__file__).parent

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


@dataclass(frozen=True, slots=True)
class _Section:
    """A table with its charts, each wide and narrow."""

    table: Table
    charts: Sequence[tuple[Markup, Markup]]
    note: str = ""


def html_report(report: Report, words: Words) -> str:
    """Write the report as a complete document."""
    rules = _ground(style.LIGHT) + _ground(style.BOTH) + stylesheet()
    return render(_FOLDER / "document.html", stylesheet=Markup(rules), **_values(report, words))  # noqa: S704  no text of users


def _values(report: Report, words: Words) -> dict[str, Any]:
    span, read = tables.heading(report, words)
    sections = list(_sections(report, words)) if report.source.lines else []
    totals = tables.totals(report, words) if sections else []
    return {"words": words, "span": span, "read": read, "totals": totals, "sections": sections}


def _sections(report: Report, words: Words) -> Iterator[_Section]:
    wide, narrow = charts(report, words), charts(report, words, NARROW)

    def drawn(*keys: str) -> list[tuple[Markup, Markup]]:
        # charts escapes its texts
        return [(Markup(wide[key]), Markup(narrow[key])) for key in keys if key in wide]  # noqa: S704

    yield _Section(tables.latency(report, words), drawn("latency"), words.latency_note)
    yield _Section(tables.calls_by_task(report, words), drawn("calls_per_minute"))
    yield _Section(tables.calls_by_day(report, words), drawn("calls_per_day"))
    yield _Section(tables.errors(report, words), drawn("errors"))
    yield _Section(tables.refused(report, words), [], words.refused_note)
    yield _Section(tables.resources(report, words), drawn("cpu", "memory", "gpu_memory", "gpu_utilization"))
    yield _Section(tables.consistency(report, words), drawn("drift"), words.consistency_note)
    yield _Section(tables.alerts(report, words), [])
    yield _Section(tables.events(report, words), [])


def stylesheet() -> str:
    """Return the stylesheet of the report.

    It is light or dark by the page's ``color-scheme``. Browsers without ``light-dark()`` use the light rules.
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
