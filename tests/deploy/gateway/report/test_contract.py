"""Test that the report reads the fields that the gateway writes."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from deploy.gateway.log import lines as log
from deploy.gateway.log.json_lines import encode
from deploy.gateway.report import sql
from deploy.gateway.report.query import read_report
from deploy.gateway.report.time_range import TimeRange
from tests.deploy.gateway.report.conftest import START
from tests.deploy.gateway.report.generate import log_lines

AT = (START + timedelta(minutes=5)).timestamp()


def test_every_kind_of_line_is_read_as_the_gateway_writes_it(tmp_path: Path, day: TimeRange) -> None:
    answered = log.Inference(
        timestamp=AT,
        task="mask_prediction",
        status="success",
        request_id="r",
        batch_size=2,
        input_text="中国的首[MASK]是北京。\u2028\x00",
        inference_time_ms=12.7,
        total_time_ms=14.1,
        sample_rate=0.5,
    )
    proofread = log.Inference(
        timestamp=AT, task="proofreading", status="success", request_id="s", characters=16, sample_rate=0.5
    )
    failed = replace(answered, status="failed", sample_rate=None, error_type="Unavailable", error="refused")
    written = (
        answered,
        failed,
        proofread,
        log.RefusedRequest(
            timestamp=AT,
            request_id="r",
            path="/predict",
            status_code=413,
            sample_rate=0.25,
            error_type="BodyTooLargeError",
            error="too large",
        ),
        log.ResourceUsage(timestamp=AT, process="server", pid=1, cpu_percent=55.5, memory_mb=610.0, gpu_memory_mb=0.0),
        log.Alert(timestamp=AT, task="mean_latency", status="firing", value=612.5, threshold=500.0),
        log.Canary(timestamp=AT, status="drift", model_name="bert_mlm", value=0.2, threshold=0.05),
        log.ModelLoad(timestamp=AT, status="failed", model_name="bert_mlm", error_type="LoadError", error="broken"),
        log.UnhandledException(timestamp=AT, error_type="KeyError", error="'x'"),
        log.LostLines(timestamp=AT, lost_lines=3),
        log.Device(timestamp=AT, status="cpu_fallback", device="cpu"),
    )
    assert {type(line) for line in written} == set(log.KINDS)
    (tmp_path / "gateway.log").write_bytes(b"".join(encode(line) for line in written))
    report = read_report(tmp_path, day)
    assert (report.source.lines, report.source.unreadable_lines, report.source.lost_lines) == (11, 0, 3)
    assert (report.totals.requests, report.totals.sentences) == (3.5, 5)
    assert report.totals.characters == 32
    assert (report.totals.drift_events, report.totals.alert_events) == (1, 1)
    assert {error.error_type for error in report.errors} == {"Unavailable", "LoadError", "KeyError", "lost_lines"}
    assert (report.resources[0].cpu_percent, report.alerts[0].last_value, report.latency[0].p50_ms) == (
        55.5,
        612.5,
        14.1,
    )
    [refused] = report.refused
    assert (refused.error_type, refused.status_code, refused.count, refused.example) == (
        "BodyTooLargeError",
        413,
        4,
        "too large",
    )
    assert report.errors[0].last_seen == datetime.fromtimestamp(AT, day.zone)


def test_the_report_asks_for_fields_that_there_are() -> None:
    assert set(sql.COLUMNS) <= set(log.MEANINGS)


def test_generated_lines_have_the_gateways_fields() -> None:
    for line in log_lines(500, START, START + timedelta(hours=1), sample_rate=0.5):
        assert line.keys() <= set(log.MEANINGS)
