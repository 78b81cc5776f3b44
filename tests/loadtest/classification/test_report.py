"""Test the verdict and the tables with made-up figures."""

from typing import Any

import pytest

from loadtest.bench.results import Results, Row, Spread, SystemFigures
from loadtest.classification.report import judge, markdown
from loadtest.classification.systems import OURS, RIVALS

RATES = {"flask-1": 40.0, "flask-default": 50.0, "gateway": 180.0}


def results(*instruction_sets: str) -> Results:
    machine: dict[str, Any] = {
        "cores": 2,
        "processor": "a processor",
        "instruction_sets": list(instruction_sets),
        "memory_gb": 24,
        "system": "Linux",
        "versions": {"Python": "3.11"},
    }
    settings = {"date": "2026-01-01", "checkpoint": "A model.", "texts": "Some texts.", "rounds": 3, "seconds": 4.0}
    found = Results(machine, settings)
    found.systems = {one.name: SystemFigures(one.title, 2.0, 300.0, 250.0, 0.0) for one in (*RIVALS, OURS)}
    found.agreement = dict.fromkeys(found.systems, 1.0)
    for name, rate in RATES.items():
        taken = Spread.of([1000 * 16 / rate])
        found.rows.append(Row(name, "texts", 16, Spread.of([rate]), taken, taken, taken, 100, 0, 40.0, 50.0))
    return found


def test_the_better_setting_of_the_rival_counts_and_the_goal_depends_on_the_processor() -> None:
    with_vnni = judge(results("avx2", "avx512_vnni"))
    assert with_vnni.ratio == pytest.approx(3.6)
    assert str(with_vnni) == "3.6 times Flask's requests/s at 16 connections (at least 4): MISSED, by 10%"
    assert str(judge(results("avx2"))).endswith("(at least 3): met, by 20%")


def test_the_report_has_conditions_systems_and_every_measurement() -> None:
    text = markdown(results("avx2"))
    for part in ("2 cores of a processor", "median of 3 rounds of 4 s", "has 3.6 times", RIVALS[0].title, OURS.title):
        assert part in text
    assert "| gateway | 16 | 180 (180–180) | 88.9 (88.9–88.9) |" in text


def test_a_run_without_the_gateway_has_no_verdict() -> None:
    found = results()
    found.rows = found.rows[:2]
    with pytest.raises(KeyError):
        judge(found)
