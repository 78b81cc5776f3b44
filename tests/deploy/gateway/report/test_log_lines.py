"""Test the search for the log lines behind a figure."""

import threading
from pathlib import Path

import pytest

from deploy.gateway.report.errors import NoLogError, TimeLimitError
from deploy.gateway.report.figures import Report
from deploy.gateway.report.log_lines import MAX_LINES, LineFilter, find_lines
from deploy.gateway.report.time_range import TimeRange, time_range
from tests.deploy.gateway.report.conftest import START
from tests.deploy.gateway.report.generate import Line, write


def matching(lines: list[Line], **wanted: str) -> list[Line]:
    return [line for line in lines if all(line.get(name) == value for name, value in wanted.items())]


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"module": "inference", "task": "token_scoring"},
        {"module": "inference", "status": "failed"},
        {"module": "resource", "process": "server"},
        {"module": "canary", "status": "drift"},
        {"error_type": "NoMaskError"},
    ],
)
def test_the_latest_lines_with_these_values_are_found(
    folder: Path, day: TimeRange, lines: list[Line], wanted: dict[str, str]
) -> None:
    found = find_lines(folder, day, LineFilter.of(lambda name: wanted.get(name, "")))
    expected = matching(lines, **wanted)
    assert found.count == len(expected) > 0
    times = [line["timestamp"] for line in expected]
    assert [one.fields["timestamp"] for one in found.lines] == sorted(times, reverse=True)[:MAX_LINES]


def test_the_lines_of_a_bucket_are_those_that_its_figures_count(folder: Path, report: Report) -> None:
    calls = [one for one in report.calls_over_time if one.outcome == "failed"]
    [start] = {one.start for one in calls if one.sentences == max(one.sentences for one in calls)}
    end = report.starts[report.starts.index(start) + 1]
    bucket = time_range(start.isoformat(), end.isoformat(), report.timezone)
    found = find_lines(folder, bucket, LineFilter(module="inference", status="failed"))
    assert found.count == sum(one.sentences for one in calls if one.start == start)


def test_the_slowest_answers_come_first(folder: Path, day: TimeRange, lines: list[Line]) -> None:
    found = find_lines(folder, day, LineFilter(module="inference", answered=True, slowest=True))
    answered = [line["total_time_ms"] for line in matching(lines, module="inference") if line["status"] != "failed"]
    assert [one.fields["total_time_ms"] for one in found.lines] == sorted(answered, reverse=True)[:MAX_LINES]


def test_a_task_can_be_left_out_and_a_failure_has_its_task_for_a_type(tmp_path: Path) -> None:
    at = f"{START:%Y-%m-%dT%H:%M:%S}.000Z"
    write(
        [
            {"timestamp": at, "module": "inference", "task": "explanation", "status": "success"},
            {"timestamp": at, "module": "inference", "task": "mask_prediction", "status": "success"},
            {"timestamp": at, "module": "system", "task": "lost_lines", "status": "failed"},
            {"module": "inference", "timestamp": at, "task": "mask_prediction", "status": "failed"},  # another order
        ],
        tmp_path / "gateway.log",
    )
    with (tmp_path / "gateway.log").open("a") as file:
        file.write('{"timestamp":"2026\nno JSON\n[]\n')
    day = time_range(START.isoformat(), "2026-04-06T00:00Z", "UTC")
    assert find_lines(tmp_path, day, LineFilter()).count == 4
    without = find_lines(tmp_path, day, LineFilter(module="inference", without="explanation"))
    assert [one.fields["task"] for one in without.lines] == ["mask_prediction"] * 2
    [lost] = find_lines(tmp_path, day, LineFilter(error_type="lost_lines")).lines
    assert lost.text.startswith('{"timestamp":"2026-04-05T06:30:00.000Z","module":"system"')


def test_a_search_ends_in_time_and_when_cancelled(folder: Path, day: TimeRange, tmp_path: Path) -> None:
    with pytest.raises(TimeLimitError, match="within 0 s"):
        find_lines(folder, day, LineFilter(), time_s=0)
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(TimeLimitError):
        find_lines(folder, day, LineFilter(), cancelled=cancelled)
    with pytest.raises(NoLogError):
        find_lines(tmp_path / "nowhere.log", day, LineFilter())
