"""Compare the figures with NumPy and plain Python."""

import threading
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pytest

from deploy.gateway.report import tables
from deploy.gateway.report.database import interrupted, open_database
from deploy.gateway.report.errors import TimeLimitError
from deploy.gateway.report.figures import Report
from deploy.gateway.report.query import Limits, read_report, read_summary
from deploy.gateway.report.time_range import TimeRange, time_range
from deploy.gateway.report.views import latency_series, requests_by_outcome
from deploy.gateway.report.words import ENGLISH
from tests.deploy.gateway.report.conftest import END, SHANGHAI, START, line
from tests.deploy.gateway.report.generate import Line, log_lines, write

ReportOf = Callable[..., Report]


def inference(lines: Iterable[Line], *statuses: str) -> list[Line]:
    return [line for line in lines if line["module"] == "inference" and (not statuses or line["status"] in statuses)]


def moment(line: Line) -> datetime:
    return datetime.fromisoformat(line["timestamp"])


def bucket(report: Report, line: Line) -> datetime:
    return report.starts[bisect_right(report.starts, moment(line)) - 1]


def test_totals_are_those_of_the_lines(report: Report, lines: list[Line]) -> None:
    sentences = inference(lines)
    statuses = Counter(one["status"] for one in sentences)
    minutes: Counter[datetime] = Counter()
    for one in sentences:
        minutes[moment(one).replace(second=0, microsecond=0)] += 1 / one["batch_size"]
    assert (report.source.files, report.source.lines, report.source.unreadable_lines) == (3, len(lines), 0)
    assert report.source.lost_lines == 17
    assert report.totals.sentences == len(sentences) == 20_000
    assert report.totals.requests == pytest.approx(len({one["request_id"] for one in sentences}))
    assert report.totals.success_share == pytest.approx(statuses["success"] / 20_000)
    assert report.totals.low_confidence_share == pytest.approx(statuses["low_confidence"] / 20_000)
    assert report.totals.failed_share == pytest.approx(statuses["failed"] / 20_000)
    assert report.totals.drift_events == sum(one["status"] == "drift" for one in lines) > 1
    assert report.totals.alert_events == sum(one["status"] == "firing" for one in lines) == 3
    assert report.totals.busiest_minute is not None
    assert minutes[report.totals.busiest_minute] == pytest.approx(max(minutes.values()))
    assert report.totals.busiest_minute_requests == pytest.approx(max(minutes.values()))


def test_latency_is_what_numpy_computes_overall_by_task_and_by_bucket(report: Report, lines: list[Line]) -> None:
    groups: dict[tuple[datetime | None, str | None], list[Line]] = defaultdict(list)
    for one in inference(lines, "success", "low_confidence"):
        start = bucket(report, one)
        for key in ((None, None), (None, one["task"]), (start, None), (start, one["task"])):
            groups[key].append(one)
    found = {(figures.start, figures.task): figures for figures in report.latency + report.latency_over_time}
    assert found.keys() == groups.keys()
    for place, figures in found.items():
        members = groups[place]
        totals = [one["total_time_ms"] for one in members]
        assert [figures.p50_ms, figures.p95_ms, figures.p99_ms] == pytest.approx(
            list(np.percentile(totals, [50, 95, 99]))
        )
        assert figures.mean_ms == pytest.approx(np.mean(totals))
        assert figures.inference_mean_ms == pytest.approx(np.mean([one["inference_time_ms"] for one in members]))
        assert figures.lines == len(members)


def test_all_tasks_together_come_first(report: Report) -> None:
    assert report.latency[0].task is None
    assert [figures.task for figures in report.latency[1:]] == sorted(
        {figures.task or "" for figures in report.latency[1:]}
    )


def test_calls_are_counted_by_day_of_the_zone_and_by_bucket(report: Report, lines: list[Line]) -> None:
    zone = ZoneInfo(SHANGHAI)
    days: Counter[tuple[datetime, str, str]] = Counter()
    buckets: Counter[tuple[datetime, str, str]] = Counter()
    for one in inference(lines):
        local = moment(one).astimezone(zone)
        days[local.replace(hour=0, minute=0, second=0, microsecond=0), one["task"], one["status"]] += 1
        quarter = local.replace(minute=local.minute // 15 * 15, second=0, microsecond=0)
        buckets[quarter, one["task"], one["status"]] += 1
    assert report.bucket_minutes == 15
    assert {(one.start, one.task, one.outcome): one.sentences for one in report.calls_by_day} == days
    assert {(one.start, one.task, one.outcome): one.sentences for one in report.calls_over_time} == buckets
    assert len(report.days) == 2
    assert sum(one.requests for one in report.calls_over_time) == pytest.approx(report.totals.requests)


def test_errors_are_counted_with_their_share_and_latest_example(report: Report, lines: list[Line]) -> None:
    of_type: dict[str, list[Line]] = defaultdict(list)
    for one in lines:
        if one["status"] == "failed":
            of_type[str(one.get("error_type", one["task"]))].append(one)
    counts = {name: sum(1 / one.get("batch_size", 1) for one in found) for name, found in of_type.items()}
    assert [one.error_type for one in report.errors] == sorted(counts, key=lambda name: (-counts[name], name))
    for error in report.errors:
        latest = max(of_type[error.error_type], key=moment)
        assert error.count == pytest.approx(counts[error.error_type])
        assert error.share == pytest.approx(error.count / sum(counts.values()))
        assert (error.last_seen, error.example) == (moment(latest), latest["error"])


def test_resources_are_means_and_maxima_of_each_process(report: Report, lines: list[Line]) -> None:
    groups: dict[tuple[datetime, str], list[Line]] = defaultdict(list)
    for one in lines:
        if one["module"] == "resource":
            groups[bucket(report, one), one["process"]].append(one)
    assert {(one.start, one.process) for one in report.resources} == groups.keys()
    assert len({one.start for one in report.resources}) < len(report.starts), "the gateway was down for a while"
    for usage in report.resources:
        members = groups[usage.start, usage.process]
        assert usage.cpu_percent == pytest.approx(np.mean([member["cpu_percent"] for member in members]))
        assert usage.cpu_percent_max == max(member["cpu_percent"] for member in members)
        assert usage.memory_mb == pytest.approx(np.mean([member["memory_mb"] for member in members]))
        assert usage.memory_mb_max == max(member["memory_mb"] for member in members)
        assert usage.gpu_memory_mb == pytest.approx(np.mean([member["gpu_memory_mb"] for member in members]))


def test_alerts_say_how_often_they_fired_and_how_they_stand(report: Report) -> None:
    drift, latency, _ = report.alerts
    assert (drift.name, drift.fired, drift.resolved, drift.last_status) == ("output_drift", 1, 0, "firing")
    assert (latency.name, latency.fired, latency.resolved, latency.last_status) == ("mean_latency", 1, 1, "resolved")
    assert (latency.last_value, latency.threshold) == (211.0, 500.0)


def test_drift_is_the_greatest_of_each_bucket_and_each_versions_checks_are_counted(
    report: Report, lines: list[Line]
) -> None:
    checks = [one for one in lines if one["module"] == "canary"]
    greatest: dict[datetime, float] = defaultdict(float)
    for one in checks:
        greatest[bucket(report, one)] = max(one["value"], greatest[bucket(report, one)])
    assert {one.start: one.value for one in report.drift_over_time} == greatest
    (version,) = report.consistency
    drifted = sum(one["status"] == "drift" for one in checks)
    assert version.model_name == "bert_mlm"
    assert (version.model_version, version.checks, version.drifted, version.failed) == (1, len(checks), drifted, 0)
    assert (version.last_seen, version.last_value) == (moment(checks[-1]), checks[-1]["value"])
    assert (version.highest_value, version.threshold) == (max(one["value"] for one in checks), 0.05)


def test_events_are_the_latest_first_and_a_drift_that_lasts_is_one(report: Report) -> None:
    assert [(one.task, one.status) for one in report.events] == [
        ("output_consistency", "success"),
        ("output_drift", "firing"),
        ("output_consistency", "drift"),
        ("model_load", "success"),
        ("model_load", "failed"),
        ("lost_lines", "failed"),
        ("mean_latency", "resolved"),
        ("mean_latency", "firing"),
        ("gpu_lost", "resolved"),
        ("gpu_status", "active"),
        ("gpu_lost", "firing"),
        ("gpu_status", "cpu_fallback"),
        ("gpu_status", "active"),
        ("model_load", "success"),
    ]
    slow, lost = report.events[3], report.events[5]
    assert (slow.model_version, slow.load_time_ms, slow.threshold) == (3, 75_210.4, 60_000)
    assert (lost.lost_lines, lost.error) == (17, "No space left on device")


def test_only_the_latest_events_are_kept(report_of: ReportOf) -> None:
    alerts = [
        line(number, module="alert", task="mean_latency", status="firing", value=number, threshold=500)
        for number in range(30)
    ]
    assert [one.value for one in report_of(*alerts).events] == [float(number) for number in range(29, 9, -1)]


def test_a_report_that_takes_too_long_or_is_cancelled_is_given_up() -> None:
    cancelled = threading.Event()
    cancelled.set()
    endless = "SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b"
    for time_s, event in ((0, None), (600, cancelled)):
        with (
            open_database([]) as connection,
            pytest.raises(duckdb.InterruptException),
            interrupted(connection, time_s, event),
        ):
            connection.execute(endless).fetchall()


def test_a_report_that_is_given_up_says_what_to_do(
    folder: Path, day: TimeRange, monkeypatch: pytest.MonkeyPatch
) -> None:
    from deploy.gateway.report import sql

    monkeypatch.setattr(sql, "LINES", "SELECT sum(a.range * b.range), 0 FROM range(10000000) a, range(10000000) b")
    with pytest.raises(TimeLimitError, match=r"not ready within 0\.5 s; choose a shorter range"):
        read_report(folder, day, Limits(time_s=0.5))


def test_the_range_is_half_open(report_of: ReportOf) -> None:
    at_ends = [line(-0.001), line(0), line(3599.999), line(3600)]
    assert report_of(*at_ends, hours=1).totals.sentences == 2


def test_a_batch_is_one_request_and_each_sentence_its_own_outcome(report_of: ReportOf) -> None:
    batch = [line(status=status, batch_size=4) for status in ("success", "success", "low_confidence", "failed")]
    totals = report_of(*batch, line(1)).totals
    assert (totals.requests, totals.sentences) == (2, 5)
    assert totals.failed_share == pytest.approx(0.2)


def test_a_batch_that_fails_as_a_whole_is_one_error(report_of: ReportOf) -> None:
    batch = [line(status="failed", batch_size=8, error_type="Unavailable", error="refused") for _ in range(8)]
    (error,) = report_of(*batch).errors
    assert error.count == pytest.approx(1)


def test_a_sampled_line_counts_as_those_it_stands_for(report_of: ReportOf) -> None:
    rng = np.random.default_rng(3)
    sampled = [
        line(number, total_time_ms=float(ms), sample_rate=0.1) for number, ms in enumerate(rng.gamma(2, 10, 200))
    ]
    others = [
        line(number, status="low_confidence", total_time_ms=float(ms)) for number, ms in enumerate(rng.gamma(9, 9, 50))
    ]
    report = report_of(*sampled, *others)
    as_if = [one["total_time_ms"] for one in sampled for _ in range(10)] + [one["total_time_ms"] for one in others]
    assert report.totals.sentences == pytest.approx(2050)
    assert report.totals.low_confidence_share == pytest.approx(50 / 2050)
    overall = report.latency[0]
    assert overall.mean_ms == pytest.approx(np.mean(as_if))
    assert [overall.p50_ms, overall.p95_ms, overall.p99_ms] == pytest.approx(list(np.percentile(as_if, [50, 95, 99])))
    assert overall.lines == 250


def test_a_sampled_log_gives_the_groups_that_a_whole_one_gives(tmp_path: Path, day: TimeRange) -> None:
    write(log_lines(2000, START, END, sample_rate=0.5), tmp_path / "gateway.log")
    sampled = read_report(tmp_path, day)
    write(log_lines(2000, START, END), tmp_path / "gateway.log")
    whole = read_report(tmp_path, day)
    assert [one.task for one in sampled.latency] == [one.task for one in whole.latency]
    assert [(one.start, one.task) for one in sampled.latency_over_time] == [
        (one.start, one.task) for one in whole.latency_over_time
    ]


@pytest.mark.parametrize("rate", [0, -1, 2])
def test_a_sample_rate_that_is_no_share_counts_as_one(report_of: ReportOf, rate: float) -> None:
    assert report_of(line(sample_rate=rate)).totals.sentences == 1


def test_days_where_clocks_change_are_days_of_the_zone(report_of: ReportOf) -> None:
    """Berlin's 29 March 2026 lasts 23 hours, from 23:00 UTC of the 28th to 22:00 UTC."""
    since = datetime(2026, 3, 28, 12, tzinfo=UTC)
    times = (datetime(2026, 3, 28, 23, 30), datetime(2026, 3, 29, 21, 30), datetime(2026, 3, 29, 22, 30))  # noqa: DTZ001 - written as UTC below
    lines = [line() | {"timestamp": f"{at.isoformat(timespec='milliseconds')}Z"} for at in times]
    report = report_of(*lines, since=since, hours=48, zone="Europe/Berlin")
    assert [(f"{one.start:%m-%d}", one.sentences) for one in report.calls_by_day] == [("03-29", 2), ("03-30", 1)]


def test_an_hour_that_clocks_show_twice_is_two(report_of: ReportOf) -> None:
    """Berlin's clocks show 02:30 at 00:30 UTC and again at 01:30 UTC of 25 October 2026."""
    since = datetime(2026, 10, 24, 22, tzinfo=UTC)
    lines = [line() | {"timestamp": f"2026-10-25T0{hour}:30:00.000Z"} for hour in (0, 1, 1)]
    report = report_of(*lines, since=since, hours=25, zone="Europe/Berlin")
    assert [f"{one.start:%H:%M%z}" for one in report.calls_over_time] == ["02:30+0200", "02:30+0100"]
    assert len(set(report.starts)) == len(report.starts) == 100
    values = requests_by_outcome(report.calls_over_time, report.starts)["success"]
    assert [value for value in values if value] == [1, 2]
    assert len(report.days) == 1


def test_the_report_agrees_with_itself_in_another_zone(folder: Path, report: Report) -> None:
    other = read_report(folder, time_range(START.isoformat(), END.isoformat(), "America/New_York"))
    assert other.totals.sentences == report.totals.sentences
    assert [one.p99_ms for one in other.latency] == [one.p99_ms for one in report.latency]
    assert other.timezone == "America/New_York"


def test_explanations_are_no_requests_of_their_own(report_of: ReportOf) -> None:
    explained = [line(second, task="explanation") for second in (1, 2)]
    report = report_of(line(0), *explained, line(3, task="explanation", status="failed"))
    assert (report.totals.requests, report.totals.sentences, report.totals.explanations) == (1, 1, 3)
    assert (report.totals.failed_share, report.totals.busiest_minute_requests) == (0, 1)
    assert sum(map(sum, requests_by_outcome(report.calls_over_time, report.starts).values())) == 1
    rows = {row[0]: row[1] for row in tables.calls_by_task(report, ENGLISH).rows}
    assert rows == {"Fill in words": "1", "Explanations": "3"}


@pytest.mark.parametrize("sample_rate", [None, 0.5])
def test_the_latency_of_all_tasks_is_without_explanations(report_of: ReportOf, sample_rate: float | None) -> None:
    sampled = {} if sample_rate is None else {"sample_rate": sample_rate}
    asked = [line(second, total_time_ms=10.0, **sampled) for second in (0, 1)]
    explained = [line(second, task="explanation", total_time_ms=500.0) for second in (0, 1, 2)]
    report = report_of(*asked, *explained)
    for found in (report.latency, report.latency_over_time):
        assert {one.task: (one.lines, one.mean_ms, one.p99_ms) for one in found} == {
            None: (2, 10, 10),
            "explanation": (3, 500, 500),
            "mask_prediction": (2, 10, 10),
        }
    assert report.summary.p95_ms == 10
    assert [one.values[0] for one in latency_series(report)] == [10, 10, 10]


def test_explanations_alone_have_no_latency_of_all_tasks(report_of: ReportOf) -> None:
    report = report_of(line(0, task="explanation"))
    assert [one.task for one in report.latency] == ["explanation"]
    assert report.summary.p95_ms is None


def test_a_summary_has_the_figures_of_the_report(folder: Path, day: TimeRange, report: Report) -> None:
    assert read_summary(folder, day) == report.summary
    assert report.summary.p95_ms == report.latency[0].p95_ms
    assert report.summary.drift_percent == pytest.approx(max(one.value for one in report.drift_over_time) / 0.05 * 100)
