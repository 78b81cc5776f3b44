"""Tests of goals, tables and picture with made-up figures."""

from dataclasses import replace
from pathlib import Path

import pytest

from loadtest.bench.goals import GOALS, judge
from loadtest.bench.kinds import Kind, kind_of
from loadtest.bench.report import markdown, merge
from loadtest.bench.results import Results, Row, Spread, SystemFigures
from loadtest.bench.systems import SYSTEMS, TARGETS
from loadtest.bench.workloads import MIXED, count_name, length_name

CONNECTIONS, LENGTHS, COUNTS = [1, 16], [16, 64], [1, 10]


def row(target: str, workload: str, connections: int, rate: float) -> Row:
    p50, p95, p99 = (Spread.of([percentile * connections / rate]) for percentile in (900, 1000, 1100))
    return Row(target, workload, connections, Spread.of([rate]), p50, p95, p99, 100, 0, 640.0, 50.0)


@pytest.fixture
def results() -> Results:
    """A run with onnx ten times as fast as the rest."""
    machine = {
        "cores": 2,
        "processor": "a processor",
        "instruction_sets": ["avx2", "avx512f", "avx512_vnni", "avx512_bf16"],
        "memory_gb": 24,
        "system": "Linux",
        "versions": {"Python": "3.11"},
    }
    settings = {
        "date": "2026-01-01",
        "title": "a model",
        "checkpoint": "A model.",
        "sentences": "Some sentences.",
        "rounds": 3,
        "seconds": 6,
        "single_seconds": 3,
        "connections": CONNECTIONS,
        "lengths": LENGTHS,
        "counts": COUNTS,
    }
    found = Results(machine, settings)
    found.systems = {name: SystemFigures(name, 2.0, 300.0, 250.0, 0.1) for name in SYSTEMS}
    for label, target in TARGETS.items():
        rate = 400.0 if target.system == "onnx" else 40.0
        found.rows += [row(label, MIXED, connections, rate) for connections in CONNECTIONS]
        found.rows += [row(label, length_name(tokens), 1, rate * 16 / tokens) for tokens in LENGTHS]
        if target.question:
            found.rows.append(row(label, count_name(10), 1, rate / 3))
    engines = ("rival", "ctranslate2", "tensorflow", "onnx")
    found.engines = {name: {"p50_ms": 20.0, "p95_ms": 25.0} for name in engines}
    found.peak_mb = {"ctranslate2": 160.0, "onnx": 200.0}
    found.engines |= {
        f"{name} {way}": {"p50_ms": 20.5, "p95_ms": 26.0} for name in ("tensorflow", "onnx") for way in ("gRPC", "REST")
    }
    found.engines |= {
        f"onnx {way}": {"p50_ms": p50_ms, "p95_ms": 26.0} for way, p50_ms in (("client", 21.5), ("gateway", 24.0))
    }
    found.client_ms = {label: 0.1 for label in TARGETS if label != "onnx client"}
    found.agreement = dict.fromkeys(TARGETS, 1.0)
    return found


def test_every_goal_is_judged_by_the_figures_of_the_run(results: Results) -> None:
    verdicts = {verdict.goal.text: verdict for verdict in judge(results)}
    assert len(verdicts) == len(GOALS)
    faster = verdicts["onnx over REST, requests/s at 16 connections, times flask"]
    assert faster.figure == pytest.approx(10)
    assert faster.met
    assert str(faster) == "met, by 133%"
    same = verdicts["tensorflow over gRPC, requests/s at 16 connections, times flask"]
    assert same.figure == pytest.approx(1)
    assert str(same) == "MISSED, by 43%"
    assert verdicts["overhead of gRPC beside the onnx engine, ms"].figure == pytest.approx(0.5)
    assert verdicts["onnx over gRPC, 10 sentences in one request, times one sentence"].figure == pytest.approx(
        3, rel=0.01
    )
    assert verdicts["onnx over gRPC, 10 sentences, times flask's two"].figure == pytest.approx(0.15, rel=0.01)


def test_the_light_engine_is_compared_with_ctranslate2(results: Results) -> None:
    verdicts = {verdict.goal.text: verdict for verdict in judge(results)}
    assert verdicts["onnx engine alone, p50, share of CTranslate2's encoder"].figure == pytest.approx(1)
    peak = verdicts["onnx engine alone, peak memory, share of CTranslate2's"]
    assert peak.figure == pytest.approx(1.25)
    assert not peak.met
    assert "| CTranslate2 int8, encoder alone | 20.00 | 25.00 |  | 160 |" in markdown(results)


def test_goals_depend_on_the_kind_of_processor(results: Results) -> None:
    text = "onnx over REST, requests/s at 16 connections, times flask"
    limits = {}
    for kind, sets in (
        (Kind.ZEN3, ["avx2"]),
        (Kind.ZEN4, ["avx512_bf16", "avx512_vnni"]),
        (Kind.ZEN5, ["avx_vnni", "avx512_vnni"]),
    ):
        assert kind_of(sets) is kind
        judged = judge(replace(results, machine={**results.machine, "instruction_sets": sets}))
        [limits[kind]] = [verdict.limit for verdict in judged if verdict.goal.text == text]
        assert {verdict.goal for verdict in judged} == {goal for goal in GOALS if goal.limit(kind) is not None}
    assert kind_of(["avx512_vnni"]) is Kind.ICE_LAKE
    assert limits[Kind.ZEN3] < limits[Kind.ZEN4] < limits[Kind.ZEN5]
    older = {name: value for name, value in results.machine.items() if name != "instruction_sets"}
    assert judge(replace(results, machine=older))


def test_the_gateway_is_compared_with_three_ways_to_its_server(results: Results) -> None:
    verdicts = {verdict.goal.text: verdict for verdict in judge(results) if verdict.goal.text.startswith("gateway")}
    added = {way: verdicts[f"gateway beside {way}, p50, ms"] for way in ("the client over gRPC", "onnx over gRPC")}
    assert [verdict.figure for verdict in added.values()] == pytest.approx([2.5, 3.5])
    assert str(added["the client over gRPC"]) == "MISSED, by 25%"
    share = verdicts["gateway, requests/s at 16 connections, times the client over gRPC"]
    assert share.figure == pytest.approx(0.1)
    assert not share.met
    assert len(verdicts) == 6


def test_the_rival_counts_at_its_better_setting(results: Results) -> None:
    results.rows = [
        replace(row, requests_per_s=Spread.of([80.0])) if row.target == "flask-default" else row for row in results.rows
    ]
    [verdict] = [verdict for verdict in judge(results) if verdict.goal.text.startswith("onnx over REST, requests/s")]
    assert verdict.figure == pytest.approx(5)


def test_missing_figures_are_reported_as_not_measured(results: Results) -> None:
    results.rows = [row for row in results.rows if TARGETS[row.target].system != "onnx"]
    del results.systems["onnx"], results.engines["onnx"], results.engines["onnx client"], results.peak_mb["onnx"]
    verdicts = [verdict for verdict in judge(results) if verdict.goal.text.startswith("onnx")]
    assert {str(verdict) for verdict in verdicts} == {"not measured"}
    assert {verdict.met for verdict in verdicts} == {None}


def test_a_run_survives_saving_and_loading(results: Results, tmp_path: Path) -> None:
    results.save(tmp_path / "results.json")
    assert Results.load(tmp_path / "results.json") == results


def test_the_tables_are_valid_and_have_every_target(results: Results) -> None:
    text = markdown(results)
    for label in TARGETS:
        assert f"| {label} |" in text
    blocks = [block.split("\n") for block in text.strip().split("\n\n") if block.startswith("|")]
    assert len(blocks) == 7
    for block in blocks:
        assert len({line.count("|") for line in block}) == 1, block[0]


def test_the_picture_is_drawn(results: Results, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="make bench installs what draws")
    from loadtest.bench.plots import draw

    draw(results, tmp_path / "results.png")
    assert (tmp_path / "results.png").read_bytes().startswith(b"\x89PNG")


def test_a_report_keeps_one_section_for_each_kind_of_processor(results: Results) -> None:
    other = replace(results, machine={**results.machine, "processor": "another", "instruction_sets": ["avx2", "fma"]})
    first = merge("", results)
    both = merge(first, other)
    assert first.count("\n## ") == 1
    assert both.startswith(first.rstrip("\n"))
    assert "\n## a processor\n" in both
    assert "\n## another\n\nInstruction sets: avx2, fma.\n" in both
    assert merge(both, other) == both
    newer = replace(other, settings={**other.settings, "date": "2027-01-01"})
    assert "2027-01-01" in merge(both, newer)
    assert merge(both, newer).count("\n## ") == 2
