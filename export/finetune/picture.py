"""Draw a table of counts as an SVG heat map."""

from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

_CELL = 48
_CHARACTER = 8  # a Latin letter at 14 px; a wide character takes two
_SHORTEST_MARGIN = 60
_NUMBERED = 40  # with more columns, the numbers would be unreadable
_FONT = "system-ui, 'Noto Sans CJK SC', 'PingFang SC', 'Microsoft YaHei', sans-serif"


def draw(title: str, rows: Sequence[str], columns: Sequence[str], counts: NDArray[np.int64]) -> str:
    """Return the heat map.

    The shade of a cell is its share of the row.

    Args:
        title: the text above the table.
        rows: the names of the rows.
        columns: the names of the columns, written upwards.
        counts: the counts [rows, columns].
    """
    cell = _CELL if len(columns) <= _NUMBERED else 12
    left, top = _margin(rows), _margin(columns) + 30
    width, height = left + cell * len(columns) + 20, top + cell * len(rows) + 20
    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="{_FONT}" font-size="14" fill="#222">',
        f'<rect width="{width}" height="{height}" fill="#fff"/><text x="10" y="20">{escape(title)}</text>',
    ]
    for number, name in enumerate(columns):
        x = left + cell * number + cell // 2 + 5
        parts.append(f'<text transform="translate({x} {top - 8}) rotate(-90)">{escape(name)}</text>')
    for number, name in enumerate(rows):
        y = top + cell * number
        parts.append(f'<text x="{left - 8}" y="{y + cell // 2 + 5}" text-anchor="end">{escape(name)}</text>')
        for column, (count, share) in enumerate(zip(counts[number], shares[number], strict=True)):
            parts.append(_cell(left + cell * column, y, cell, int(count), float(share)))
    return "\n".join([*parts, "</svg>\n"])


def _cell(x: int, y: int, size: int, count: int, share: float) -> str:
    shade = f'<rect x="{x}" y="{y}" width="{size - 1}" height="{size - 1}" fill="#1f5fa8" fill-opacity="{share:.3f}"/>'
    if size < _CELL or not count:
        return shade
    colour = "#fff" if share > 0.5 else "#222"
    middle = f'x="{x + size // 2}" y="{y + size // 2 + 5}" text-anchor="middle" font-size="12"'
    return f'{shade}<text {middle} fill="{colour}">{count}</text>'


def _margin(names: Sequence[str]) -> int:
    widest = max(sum(1 if ord(each) < 0x1100 else 2 for each in name) for name in names)
    return max(_SHORTEST_MARGIN, _CHARACTER * widest + 16)
