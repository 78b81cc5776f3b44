from dataclasses import replace
from pathlib import Path

import pytest

from loadtest.fleet.calls import Call, CallFile, read_calls
from loadtest.fleet.report import Outcome, Phase, document, faults, figures, is_fair, shares, table
from loadtest.fleet.scenarios import since

OUTCOME = Outcome(
    "cut",
    "server 1 cut off",
    (
        Phase("before", 100.0, 110.0, (30, 30, 30)),
        Phase("during", 110.0, 130.0, (0, 60, 60)),
        Phase("restoring", 130.0, 133.0, (5, 20, 20)),
        Phase("after", 133.0, 143.0, (31, 30, 29)),
    ),
    is_silent=True,
    restored_s=2.0,
)
CALLS = [
    Call(99.9, "client", 9000.0, "UnreachableError: before the scenario"),
    Call(101.0, "client", 5.0),
    Call(101.5, "gateway", 7.0),
    Call(110.5, "client", 2000.0),
    Call(111.5, "client", 0.0, "ServerTimeoutError: late"),
    Call(134.0, "gateway", 8.0),
    Call(143.0, "gateway", 0.0, "CallError: after the scenario"),
]


def test_shares_are_parts_of_all_answers() -> None:
    assert shares((1, 1, 2)) == (0.25, 0.25, 0.5)
    assert shares((0, 0)) == (0.0, 0.0)


def test_a_share_is_fair_from_four_fifths_of_an_equal_one() -> None:
    assert is_fair((0.27, 0.365, 0.365))
    assert not is_fair((0.26, 0.37, 0.37))


def test_a_restarted_servers_count_begins_again() -> None:
    assert since((10, 20), (4, 50)) == (4, 30)


def test_latencies_are_those_of_successful_calls() -> None:
    found = figures([Call(1.0, "client", ms) for ms in (1.0, 2.0, 3.0)] + [Call(1.0, "client", 99.0, "late")])
    assert (found.calls, found.failed, found.p50_ms, found.longest_ms) == (4, 1, 2.0, 3.0)


def test_failed_calls_count_only_within_the_scenario_and_above_the_budget() -> None:
    assert list(faults(OUTCOME, CALLS, 1)) == []
    assert list(faults(OUTCOME, CALLS, 0)) == ["1 calls failed, 0 are allowed"]


def test_load_that_does_not_return_is_a_fault() -> None:
    phases = (*OUTCOME.phases[:3], replace(OUTCOME.phases[3], answered=(10, 40, 40)))
    assert list(faults(replace(OUTCOME, phases=phases, restored_s=None), [], 0)) == [
        "the share of load was not restored within the limit",
        "a server had only 11% of the load in the phase after, less than 27%",
    ]


def test_a_fault_without_effect_is_reported() -> None:
    phases = (OUTCOME.phases[0], replace(OUTCOME.phases[1], answered=(40, 40, 40)), *OUTCOME.phases[2:])
    outcome = replace(OUTCOME, phases=phases)
    assert list(faults(outcome, [], 0)) == ["the fault had no effect: server 1 had 33% of the load meanwhile"]
    assert list(faults(replace(outcome, is_silent=False), [], 0)) == []


def test_the_document_has_phases_errors_and_seconds_from_the_fault() -> None:
    found = document(OUTCOME, CALLS, 1)
    assert [phase["title"] for phase in found["phases"]] == ["before", "during", "restoring", "after"]
    assert found["phases"][1]["shares"] == [0.0, 0.5, 0.5]
    assert found["phases"][1]["client"]["longest_ms"] == 2000.0
    assert found["errors"] == {"ServerTimeoutError: late": 1}
    assert [(row["second"], row["path"], row["failed"]) for row in found["seconds"]] == [
        (-9, "client", 0),
        (-9, "gateway", 0),
        (0, "client", 0),
        (1, "client", 1),
        (24, "gateway", 0),
    ]


def test_the_table_has_shares_latencies_and_the_verdict() -> None:
    lines = table(OUTCOME, CALLS, 0).splitlines()
    assert lines[2].split() == ["before", "10.0", "33%", "33%", "33%", "gateway", "1", "0", "7.0", "7.0", "7.0"]
    assert lines[5].split() == ["client", "2", "1", "2000.0", "2000.0", "2000.0"]
    assert lines[-3:] == [
        "1 times ServerTimeoutError: late",
        "1 failed, 0 allowed; share of load restored after 2.0 s",
        "wrong: 1 calls failed, 0 are allowed",
    ]


def test_calls_are_read_back_without_an_unfinished_line(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    with CallFile(path) as calls:
        for call in CALLS:
            calls.write(call)
    with path.open("a", encoding="utf-8") as lines:
        lines.write('[1.0, "cl')
    assert list(read_calls(path)) == CALLS


@pytest.mark.parametrize("title", ["before", "after"])
def test_an_unequal_share_without_a_fault_is_reported(title: str) -> None:
    phases = tuple(replace(one, answered=(0, 1, 1)) if one.title == title else one for one in OUTCOME.phases)
    [fault] = faults(replace(OUTCOME, phases=phases), [], 0)
    assert f"0% of the load in the phase {title}" in fault
