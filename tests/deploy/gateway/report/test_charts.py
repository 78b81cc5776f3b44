"""Test that charts are well-formed, accessible, correct and escape text."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest

from deploy.gateway.report.charts import (
    HEIGHT,
    NARROW,
    WIDTH,
    Bar,
    Series,
    Times,
    horizontal_bars,
    line_chart,
    short_number,
    stacked_bars,
)

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "<script>alert(1)</script>\x1b[31m\x00&\u202e\"'"
START = datetime(2026, 4, 5, tzinfo=UTC)


def times(count: int, minutes: int = 60, width: int = WIDTH) -> Times:
    step = timedelta(minutes=minutes)
    return Times([START + number * step for number in range(count)], START + count * step, width)


def parse(svg: str) -> ET.Element:
    return ET.fromstring(svg)


def shapes(svg: str, tag: str, kind: str) -> list[ET.Element]:
    return [one for one in parse(svg).iter(SVG + tag) if kind in one.get("class", "").split()]


@pytest.mark.parametrize(
    "svg",
    [
        line_chart("a", "Latency", "P50 is low.", times(3), [Series("P50", [1, None, 3], "1")]),
        stacked_bars("a", "Latency", "P50 is low.", times(3), [Series("Success", [1, 2, 3], "success")]),
        horizontal_bars("a", "Latency", "P50 is low.", [Bar("Unavailable", 3, "3 (100%)")], "failed"),
    ],
)
def test_a_picture_names_and_describes_itself(svg: str) -> None:
    root = parse(svg)
    assert root.get("role") == "img"
    named = {one.get("id"): one.text for one in root if one.get("id")}
    assert [named[key] for key in root.get("aria-labelledby", "").split()] == ["Latency", "P50 is low."]


def test_no_shape_has_a_colour_or_a_style_of_its_own() -> None:
    svg = line_chart("a", "t", "d", times(3), [Series("P50", [1, None, 3], "1")])
    assert not any({"style", "fill", "stroke"}.intersection(one.keys()) for one in parse(svg).iter())


@pytest.mark.parametrize(
    "svg",
    [
        line_chart("a", HOSTILE, HOSTILE, times(2), [Series(HOSTILE, [1, 2], "1")]),
        stacked_bars("a", HOSTILE, HOSTILE, times(2), [Series(HOSTILE, [1, 2], "success")]),
        horizontal_bars("a", HOSTILE, HOSTILE, [Bar(HOSTILE, 3, HOSTILE)], "failed"),
    ],
)
def test_hostile_text_is_shown_and_not_obeyed(svg: str) -> None:
    root = parse(svg)
    assert not [one for one in root.iter() if "script" in one.tag]
    assert "<script>alert(1)</script>" in "".join(root.itertext())
    assert not {"\x1b", "\x00", "\u202e"} & set(svg)


def test_a_line_is_broken_where_values_are_missing_and_a_lonely_one_is_a_dot() -> None:
    svg = line_chart("a", "t", "d", times(6), [Series("P50", [1, 2, None, None, 3, None], "1")])
    _key, path = shapes(svg, "path", "chart-line")
    assert path.get("d", "").count("M") == 2
    assert len(shapes(svg, "circle", "chart-dot")) == 1
    assert len(shapes(svg, "circle", "chart-tip")) == 3


def test_bars_are_stacked_without_gaps_and_in_proportion() -> None:
    svg = stacked_bars("a", "t", "d", times(1), [Series("a", [30], "success"), Series("b", [10], "failed")])
    lower, upper = shapes(svg, "rect", "chart-bar")
    bottom, top = float(lower.get("y", 0)), float(upper.get("y", 0)) + float(upper.get("height", 0))
    assert bottom == pytest.approx(top, abs=0.11)
    assert float(lower.get("height", 0)) == pytest.approx(3 * float(upper.get("height", 0)), abs=0.3)


def test_the_longest_bar_is_the_most_frequent_one() -> None:
    svg = horizontal_bars("a", "t", "d", [Bar("x", 40, "40"), Bar("y", 10, "10")], "failed")
    long, short = (float(bar.get("width", 0)) for bar in shapes(svg, "rect", "chart-bar"))
    assert long == pytest.approx(4 * short, abs=0.2)
    assert "x: 40" in "".join(parse(svg).itertext())


@pytest.mark.parametrize(
    ("count", "minutes"), [(1, 1), (90, 1), (96, 15), (84, 120), (120, 360), (90, 1440), (58, 10080), (2, 1440)]
)
@pytest.mark.parametrize("width", [WIDTH, NARROW])
def test_times_are_written_inside_the_picture_and_apart(count: int, minutes: int, width: int) -> None:
    svg = line_chart("a", "t", "d", times(count, minutes, width), [Series("P50", [1.0] * count, "1")])
    labels = [one for one in shapes(svg, "text", "chart-label") if one.get("text-anchor") == "middle"]
    places = [float(one.get("x", 0)) for one in labels]
    assert 1 <= len(places) <= 10
    assert all(20 < place < width - 10 for place in places)
    assert all(after - before > 45 for before, after in pairwise(places))


@pytest.mark.parametrize("values", [[0, 0], [1e-3, 2e-3], [0.1, 99.9], [1, 100], [3e9, 1], [None, None]])
def test_every_value_lies_between_the_axis_and_the_title(values: list[float | None]) -> None:
    svg = line_chart("a", "t", "d", times(2), [Series("x", values, "1")])
    heights = [float(one.get("cy", 0)) for one in shapes(svg, "circle", "chart-tip")]
    assert all(50 <= height <= HEIGHT - 27 for height in heights)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.25, "0.25"),
        (12, "12"),
        (12.34, "12.3"),
        (1234, "1,234"),
        (56_000, "56k"),
        (123_456, "123k"),
        (7.8e6, "7.8M"),
        (2e9, "2G"),
    ],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert short_number(value) == text


def test_a_narrow_picture_keeps_everything_inside() -> None:
    series = [Series(name, [1.0] * 60, "1") for name in ("Success", "Low confidence", "Failed")]
    bars = [Bar("ADescriptiveNameOfAnErrorThatIsLong", 123_456, "123k (100.0%)"), Bar("Short", 1, "1 (0.0%)")]
    for svg in (
        line_chart("a", "t", "d", times(60, 1, NARROW), series),
        stacked_bars("a", "t", "d", times(60, 1, NARROW), series),
        horizontal_bars("a", "t", "d", bars, "failed", width=NARROW),
    ):
        assert parse(svg).get("viewBox", "").split()[2] == str(NARROW)
        for text in parse(svg).iter(SVG + "text"):
            x, wide = float(text.get("x", 0)), 7 * len(text.text or "")
            left = {None: x, "middle": x - wide / 2, "end": x - wide}[text.get("text-anchor")]
            assert left > -5, text.text
            assert left + wide < NARROW + 5, text.text
