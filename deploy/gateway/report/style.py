"""Define the charts' light and dark colours.

They are distinguishable for colour-blind people, with a contrast of at least 3:1 to the background.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Palette:
    """A colour scheme.

    ``shapes`` are the colours of series and outcomes by class.
    """

    ground: str
    raised: str
    text: str
    muted: str
    grid: str
    shapes: dict[str, str]


LIGHT = Palette(
    ground="#ffffff",
    raised="#f4f6f8",
    text="#1b1f24",
    muted="#57606a",
    grid="#d8dee4",
    shapes={
        "1": "#1f6fb2",
        "2": "#a8500a",
        "3": "#8a2f8f",
        "4": "#0b7a6b",
        "success": "#2a78b8",
        "low_confidence": "#b97f10",
        "failed": "#b3261e",
    },
)
DARK = Palette(
    ground="#14171c",
    raised="#1d2229",
    text="#e6e9ed",
    muted="#a0a9b4",
    grid="#343b44",
    shapes={
        "1": "#62aeea",
        "2": "#f0a35c",
        "3": "#d59be0",
        "4": "#54c9b4",
        "success": "#5aa9e6",
        "low_confidence": "#e0ad3f",
        "failed": "#f2766b",
    },
)


def _either(light: str, dark: str) -> str:
    return f"light-dark({light}, {dark})"


BOTH = Palette(
    ground=_either(LIGHT.ground, DARK.ground),
    raised=_either(LIGHT.raised, DARK.raised),
    text=_either(LIGHT.text, DARK.text),
    muted=_either(LIGHT.muted, DARK.muted),
    grid=_either(LIGHT.grid, DARK.grid),
    shapes={name: _either(colour, DARK.shapes[name]) for name, colour in LIGHT.shapes.items()},
)
"""The colours by the page's ``color-scheme`` (https://www.w3.org/TR/css-color-5/#light-dark)."""

_DASHES = {"2": "7 3", "3": "2 3", "4": "9 3 2 3"}

SHAPES = """\
.chart text{font-family:system-ui,"Noto Sans","Noto Sans CJK SC","DejaVu Sans","Liberation Sans",Arial,sans-serif}
.chart-title{font-size:15px;font-weight:600}
.chart-label{font-size:12px}
.chart-grid{stroke-width:1}
.chart-line{fill:none;stroke-width:2;stroke-linejoin:round}
.chart-key{stroke-width:8}
.chart-tip{fill:transparent}
""" + "".join(f".chart-line.chart-{name}{{stroke-dasharray:{dashes}}}\n" for name, dashes in _DASHES.items())


def colours(palette: Palette) -> str:
    """Return the CSS rules for the colours of charts."""
    rules = [
        f".chart-title{{fill:{palette.text}}}",
        f".chart-label{{fill:{palette.muted}}}",
        f".chart-grid{{stroke:{palette.grid}}}",
    ]
    for name, colour in palette.shapes.items():
        rules.append(f".chart-line.chart-{name},.chart-key.chart-{name}{{stroke:{colour}}}")
        rules.append(f".chart-bar.chart-{name},.chart-dot.chart-{name}{{fill:{colour}}}")
    return "\n".join(rules) + "\n"
