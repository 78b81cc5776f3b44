"""Test the tiles above the dashboard's charts."""

import dataclasses
from datetime import timedelta
from pathlib import Path

import pytest

from deploy.gateway.dashboard.tiles import HEIGHT, Tile, sparkline, tiles
from deploy.gateway.dashboard.words import CHINESE, ENGLISH
from deploy.gateway.report import words
from deploy.gateway.report.figures import Report, Summary
from deploy.gateway.report.query import read_report, read_summary
from deploy.gateway.report.time_range import time_range
from tests.deploy.gateway.report.conftest import START
from tests.deploy.gateway.report.generate import write


@pytest.fixture
def small(tmp_path: Path) -> Report:
    """The report of three answers, a failure and a check."""
    at = {"timestamp": f"{START:%Y-%m-%dT%H:%M:%S}.000Z"}
    question = {**at, "module": "inference", "task": "mask_prediction", "total_time_ms": 40.0}
    check = {**at, "module": "canary", "task": "output_consistency", "status": "drift", "value": 0.21}
    lines = [{**question, "status": "success"}] * 3 + [{**question, "status": "failed"}, {**check, "threshold": 0.05}]
    write(lines, tmp_path / "gateway.log")
    return read_report(tmp_path, time_range(START.isoformat(), (START + timedelta(hours=1)).isoformat(), "UTC"))


def by_name(report: Report, before: Summary | None) -> dict[str, Tile]:
    return {tile.name: tile for tile in tiles(report, before, words.ENGLISH, ENGLISH)}


def changed(report: Report, **figures: float) -> list[tuple[str, str]]:
    """Return the changes against a period whose figures are the report's, except these."""
    before = dataclasses.replace(report.summary, **figures)
    return [(tile.change, tile.trend) for tile in tiles(report, before, words.ENGLISH, ENGLISH)]


def test_a_change_is_relative_or_in_points(small: Report) -> None:
    now = small.summary
    assert (now.requests, now.p95_ms, now.failed_share) == (4, 40, 0.25)
    assert now.drift_percent == pytest.approx(420)
    same = ("as in the period before", "neutral")
    assert changed(small) == [same] * 4
    assert changed(small, requests=5)[0] == ("−20% against the period before", "neutral")
    assert changed(small, p95_ms=32)[1] == ("+25% against the period before", "worse")
    assert changed(small, p95_ms=80)[1] == ("−50% against the period before", "better")
    assert changed(small, failed_share=0.5)[2] == ("−25 points against the period before", "better")
    assert changed(small, failed_share=0.2475)[2] == ("+0.25 points against the period before", "worse")
    assert changed(small, drift_percent=20)[3] == ("+400 points against the period before", "worse")


def test_nothing_is_compared_with_a_period_that_the_log_does_not_have(small: Report) -> None:
    assert {tile.change for tile in tiles(small, None, words.CHINESE, CHINESE)} == {"上一时段无数据"}
    idle = Summary(requests=0, p95_ms=None, failed_share=None, drift_percent=None)
    assert {tile.change for tile in tiles(small, idle, words.ENGLISH, ENGLISH)} == {"no figure for the period before"}


def test_drift_is_in_percent_of_its_threshold(small: Report) -> None:
    assert by_name(small, None)["Drift, % of threshold"].value == "420%"


def test_no_tile_counts_explanations(tmp_path: Path) -> None:
    at = {"timestamp": f"{START:%Y-%m-%dT%H:%M:%S}.000Z", "module": "inference"}
    asked = {**at, "task": "mask_prediction", "total_time_ms": 40.0}
    explained = {**at, "task": "explanation", "total_time_ms": 900.0}
    lines = [{**asked, "status": "success"}, *[{**explained, "status": status} for status in ("success", "failed")]]
    write(lines, tmp_path / "gateway.log")
    hour = time_range(START.isoformat(), (START + timedelta(hours=1)).isoformat(), "UTC")
    found = by_name(read_report(tmp_path, hour), None)
    assert [tile.value for tile in found.values()][:3] == ["1", "40 ms", "0.00%"]
    assert read_summary(tmp_path, hour).p95_ms == 40


def test_a_curve_has_gaps_and_goes_up_to_its_highest_value() -> None:
    path = sparkline([0, 4, None, 2])
    assert path.count("M") == 2
    assert [float(part.split()[1].split("h")[0]) for part in path.replace("L", "M").split("M")[1:]] == [
        HEIGHT - 2,
        2,
        HEIGHT / 2,
    ]
    assert sparkline([None, None]) == ""
