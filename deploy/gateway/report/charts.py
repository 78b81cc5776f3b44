"""Draw line charts and bar charts as SVG.

Shapes have classes instead of colours, so that one chart fits light and dark pages under a strict content security
policy; ``style`` has the colours. A chart has a title and a description for screen readers, and tooltips with values.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape

from deploy.gateway.report.plain_text import plain, shorten
from deploy.gateway.report.plain_text import width as columns

WIDTH = 760
NARROW = 340
"""The width for phones, where the letters of a scaled-down wide chart would be unreadable."""
HEIGHT = 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 16, 52, 28
_ROW = 30
_LETTER = 7
_TICKS = {WIDTH: 9, NARROW: 5}
_LABEL_LETTERS = {WIDTH: 30, NARROW: 20}
_WIDEST_BAR = 72
_TICK_STEPS = (
    *(timedelta(minutes=number) for number in (1, 2, 5, 10, 15, 30)),
    *(timedelta(hours=number) for number in (1, 2, 3, 6, 12)),
    *(timedelta(days=number) for number in (1, 2, 5, 10, 20, 50, 100)),
)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Series:
    """A value or None for each bucket.

    ``style`` is a class, 1 to 4 or an outcome.
    """

    name: str
    values: Sequence[float | None]
    style: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A horizontal bar with a note at its end."""

    label: str
    value: float
    note: str


@dataclass(frozen=True, slots=True)
class Times:
    """The time axis.

    ``end`` is the end of the last bucket.
    """

    starts: Sequence[datetime]
    end: datetime
    width: int = WIDTH

    def left(self, index: int) -> float:
        """Return the x coordinate of a bucket's start."""
        return self.x(self.starts[index] if index < len(self.starts) else self.end)

    def middle(self, index: int) -> float:
        """Return the x coordinate of a bucket's middle."""
        return (self.left(index) + self.left(index + 1)) / 2

    def x(self, moment: datetime) -> float:
        """Return the x coordinate of a time."""
        share = (moment - self.starts[0]) / (self.end - self.starts[0])
        return _LEFT + share * (self.width - _LEFT - _RIGHT)


def line_chart(
    key: str, title: str, description: str, times: Times, series: Sequence[Series], *, most: float | None = None
) -> str:
    """Draw a line for each series.

    Missing values are gaps.

    Args:
        key: the prefix that makes the chart's ids unique on the page.
        title: the heading, with the unit.
        description: the description for screen readers.
        times: the horizontal axis.
        series: at most four.
        most: the minimum upper end of the vertical axis.
    """
    axis = _Axis(max([most or 0, *(value for one in series for value in one.values if value is not None)]))
    shapes = [_line(one, times, axis) for one in series]
    parts = [_legend(series, "line"), _axes(times, axis), *shapes]
    return _picture(key, title, description, (times.width, HEIGHT), parts)


def stacked_bars(key: str, title: str, description: str, times: Times, series: Sequence[Series]) -> str:
    """Draw a stacked bar for each bucket.

    The first series is at the bottom.
    """
    heights = [sum(values) for values in zip(*([value or 0.0 for value in one.values] for one in series), strict=True)]
    axis = _Axis(max(heights, default=0))
    bars = [_stack(index, times, series, axis) for index in range(len(times.starts))]
    parts = [_legend(series, "key"), _axes(times, axis), *bars]
    return _picture(key, title, description, (times.width, HEIGHT), parts)


def horizontal_bars(
    key: str, title: str, description: str, bars: Sequence[Bar], style: str, *, width: int = WIDTH
) -> str:
    """Draw a row with label and note for each bar."""
    most = max((bar.value for bar in bars), default=0) or 1
    letters = _LABEL_LETTERS[width]
    before, behind = letters * _LETTER + 8, 15 * _LETTER
    room = width - before - behind - _RIGHT
    rows = []
    for number, bar in enumerate(bars):
        y = 38 + number * _ROW
        length = max(bar.value / most * room, 1)
        rows.append(
            f"<g><title>{_text(f'{bar.label}: {bar.note}')}</title>"
            f'<text class="chart-label" x="{before - 8}" y="{y + 15}" text-anchor="end">'
            f"{_text(shorten(bar.label, letters))}</text>"
            f'<rect class="chart-bar chart-{style}" x="{before}" y="{y}" width="{length:.1f}" height="{_ROW - 10}"/>'
            f'<text class="chart-label" x="{before + length + 6:.1f}" y="{y + 15}">{_text(bar.note)}</text></g>'
        )
    return _picture(key, title, description, (width, 46 + len(bars) * _ROW), rows)


class _Axis:
    """The vertical axis.

    It goes from 0 to a round number, at least ``most``.
    """

    def __init__(self, most: float) -> None:
        self.step = _round_step((most or 1) / 4)
        self.top = math.ceil((most or 1) / self.step - 1e-9) * self.step

    def y(self, value: float) -> float:
        return HEIGHT - _BOTTOM - value / self.top * (HEIGHT - _TOP - _BOTTOM)

    def ticks(self) -> list[float]:
        return [number * self.step for number in range(round(self.top / self.step) + 1)]


def _round_step(least: float) -> float:
    """Return the smallest round step of at least ``least``.

    Round steps are 1, 2 or 5 times a power of ten.
    """
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least - 1e-9 * power)


def short_number(value: float) -> str:
    """Format a number briefly.

    Examples are 0.25, 12, 1,234, 56k and 7.8M.
    """
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            unit = 1e3 if letter == "k" else size
            return f"{value / unit:.3g}{letter}" if abs(value) < 1e3 * unit else f"{value / unit:.0f}{letter}"
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def _picture(key: str, title: str, description: str, size: tuple[int, int], parts: Iterable[str]) -> str:
    wide, high = size
    if wide != WIDTH:
        key = f"{key}-{wide}"  # a page may have both widths
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 {wide} {high}" role="img" '
        f'aria-labelledby="{key}-title {key}-description">'
        f'<title id="{key}-title">{_text(title)}</title><desc id="{key}-description">{_text(description)}</desc>'
        f'<text class="chart-title" x="2" y="18">{_text(title)}</text>{"".join(parts)}</svg>'
    )


def _legend(series: Sequence[Series], kind: str) -> str:
    x, parts = 2.0, []
    for one in series:
        parts.append(
            f'<path class="chart-{kind} chart-{one.style}" d="M{x:.0f} 36h28"/>'
            f'<text class="chart-label" x="{x + 34:.0f}" y="40">{_text(one.name)}</text>'
        )
        x += 56 + _LETTER * columns(one.name)
    return "".join(parts)


def _axes(times: Times, axis: _Axis) -> str:
    lines = [
        f'<path class="chart-grid" d="M{_LEFT} {axis.y(value):.1f}H{times.width - _RIGHT}"/>'
        f'<text class="chart-label" x="{_LEFT - 8}" y="{axis.y(value) + 4:.1f}" text-anchor="end">'
        f"{short_number(value)}</text>"
        for value in axis.ticks()
    ]
    labels = [
        f'<text class="chart-label" x="{x:.1f}" y="{HEIGHT - 8}" text-anchor="middle">{label}</text>'
        for x, label in _time_labels(times)
    ]
    return "".join(lines + labels)


def _time_labels(times: Times) -> list[tuple[float, str]]:
    """Return the time labels with their positions."""
    length = times.end - times.starts[0]
    bucket = length / len(times.starts)
    if bucket >= 0.9 * _DAY:
        every = math.ceil(len(times.starts) / _TICKS[times.width])
        return [(times.middle(index), f"{times.starts[index]:%m-%d}") for index in range(0, len(times.starts), every)]
    step = next(step for step in _TICK_STEPS if length <= _TICKS[times.width] * step and not step % bucket)
    clocks = [timedelta(hours=start.hour, minutes=start.minute) for start in times.starts]
    first = next((index for index, clock in enumerate(clocks) if not clock % step), 0)
    return [
        (times.left(index), f"{times.starts[index]:%H:%M}" if clocks[index] else f"{times.starts[index]:%m-%d}")
        for index in range(first, len(clocks), step // bucket)
        if times.left(index) <= times.width - _RIGHT - 10
    ]


def _line(series: Series, times: Times, axis: _Axis) -> str:
    """Draw the segments, isolated points and tooltips of a line."""
    points = [
        None if value is None else (times.middle(index), axis.y(value)) for index, value in enumerate(series.values)
    ]
    path, dots, before = [], [], None
    for index, point in enumerate(points):
        if point is not None:
            path.append(f"{'L' if before else 'M'}{point[0]:.1f} {point[1]:.1f}")
            if before is None and (index + 1 == len(points) or points[index + 1] is None):
                dots.append(
                    f'<circle class="chart-dot chart-{series.style}" cx="{point[0]:.1f}" cy="{point[1]:.1f}" r="2"/>'
                )
        before = point
    tips = [
        f'<circle class="chart-tip" cx="{point[0]:.1f}" cy="{point[1]:.1f}" r="6">'
        f"<title>{_text(_tip(times.starts[index], series))} {short_number(series.values[index] or 0)}</title></circle>"
        for index, point in enumerate(points)
        if point is not None and times.width == WIDTH  # a phone has no pointer
    ]
    return f'<path class="chart-line chart-{series.style}" d="{"".join(path)}"/>{"".join(dots)}{"".join(tips)}'


def _stack(index: int, times: Times, series: Sequence[Series], axis: _Axis) -> str:
    room = times.left(index + 1) - times.left(index)
    broad = min(0.85 * room, _WIDEST_BAR)
    parts, foot = [], 0.0
    for one in series:
        value = one.values[index] or 0.0
        if value > 0:
            top, bottom = axis.y(foot + value), axis.y(foot)
            parts.append(
                f'<rect class="chart-bar chart-{one.style}" x="{times.middle(index) - broad / 2:.1f}" y="{top:.1f}" '
                f'width="{broad:.1f}" height="{bottom - top:.1f}">'
                f"<title>{_text(_tip(times.starts[index], one))} {short_number(value)}</title></rect>"
            )
            foot += value
    return "".join(parts)


def _tip(start: datetime, series: Series) -> str:
    return f"{start:%m-%d %H:%M} {series.name}:"


def _text(text: str) -> str:
    return escape(plain(text))
