"""Test how much a line counts, and that the report counts the same."""

import json
from pathlib import Path
from typing import Any

import pytest

from deploy.gateway.log.json_lines import encode
from deploy.gateway.log.lines import (
    Canary,
    Device,
    Inference,
    Line,
    LostLines,
    ModelLoad,
    RefusedRequest,
    UnhandledException,
)
from deploy.gateway.log.request_log import RequestLog
from deploy.gateway.log.writer import LogWriter
from deploy.gateway.report.query import read_report
from deploy.gateway.report.time_range import TimeRange
from tests.deploy.gateway.report.conftest import START, day

__all__ = ["day"]

AT = START.timestamp()
COUNTS = ("sentences", "calls", "errors", "refused")


def inference(**changes: Any) -> Inference:
    given: dict[str, Any] = {"task": "mask_prediction", "status": "success", "request_id": "r", **changes}
    return Inference(timestamp=AT, **given)


FAILED: dict[str, Any] = {"status": "failed", "error_type": "Unavailable"}
REFUSED: dict[str, Any] = {"request_id": "r", "path": "/predict", "status_code": 413, "error_type": "BodyTooLargeError"}
LINES: list[tuple[Line, tuple[float | None, ...]]] = [
    (inference(), (1, 1, None, None)),
    (inference(batch_size=4), (1, 0.25, None, None)),
    (inference(status="low_confidence", batch_size=3), (1, 1 / 3, None, None)),
    (inference(batch_size=0), (1, 1, None, None)),
    (inference(**FAILED, batch_size=4), (1, 0.25, 0.25, None)),
    (inference(**FAILED, sample_rate=1 / 7), (7, 7, 7, None)),
    (RefusedRequest(timestamp=AT, **REFUSED), (None, None, None, 1)),
    (RefusedRequest(timestamp=AT, **REFUSED, sample_rate=1 / 3), (None, None, None, 3)),
    (ModelLoad(timestamp=AT, status="start", model_name="m"), (None, None, None, None)),
    (ModelLoad(timestamp=AT, status="failed", model_name="m", error_type="E"), (None, None, 1, None)),
    (Canary(timestamp=AT, status="drift", model_name="m"), (None, None, None, None)),
    (Canary(timestamp=AT, status="failed", model_name="m", error_type="E"), (None, None, 1, None)),
    (UnhandledException(timestamp=AT, error_type="E", error="e"), (None, None, 1, None)),
    (LostLines(timestamp=AT, lost_lines=3), (None, None, 1, None)),
    (Device(timestamp=AT, status="active", device="cpu"), (None, None, None, None)),
]


@pytest.mark.parametrize(("line", "counts"), LINES, ids=lambda one: type(one).__name__)
def test_a_line_counts_the_sentences_calls_errors_or_refused_requests_it_stands_for(
    line: Line, counts: tuple[float | None, ...]
) -> None:
    written = json.loads(encode(line))
    assert tuple(map(written.get, COUNTS)) == counts
    assert all(isinstance(written[name], float) for name in COUNTS if name in written)


def test_sums_of_the_counts_are_the_figures_of_the_report(tmp_path: Path, day: TimeRange) -> None:
    encoded = [encode(line) for line, _ in LINES]
    (tmp_path / "gateway.log").write_bytes(b"".join(encoded))
    written = [json.loads(line) for line in encoded]
    sums = {name: sum(line.get(name, 0) for line in written) for name in COUNTS}
    report = read_report(tmp_path, day)
    assert sums == pytest.approx(
        {
            "sentences": report.totals.sentences,
            "calls": report.totals.requests,
            "errors": sum(error.count for error in report.errors),
            "refused": sum(one.count for one in report.refused),
        }
    )
    assert {error.error_type for error in report.errors} == {line["error_type"] for line in written if "errors" in line}


def test_a_sampled_success_counts_for_those_that_are_left_out(tmp_path: Path) -> None:
    with LogWriter(tmp_path / "gateway.log") as writer:
        log = RequestLog(writer, sample_rate=0.25)
        for number in range(200):
            log.write(inference(request_id=f"{number}", batch_size=2))
    lines = [json.loads(line) for line in (tmp_path / "gateway.log").read_text("utf-8").splitlines()]
    assert 0 < len(lines) < 200
    assert {(line["sample_rate"], line["sentences"], line["calls"]) for line in lines} == {(0.25, 4, 2)}


@pytest.mark.parametrize(("ms", "ns"), [(4100.35, 4_100_350_000), (0.0004, 400), (float("nan"), None), (None, None)])
def test_the_duration_is_a_whole_number_of_nanoseconds(ms: float | None, ns: int | None) -> None:
    assert json.loads(encode(inference(total_time_ms=ms))).get("duration_ns") == ns
