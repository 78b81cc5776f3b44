"""Test that a line is a single line for every reader, and the field descriptions."""

import dataclasses
import json
import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.gateway.log.json_lines import encode
from deploy.gateway.log.lines import (
    KINDS,
    MEANINGS,
    Alert,
    Canary,
    Device,
    Inference,
    Line,
    LostLines,
    ModelLoad,
    RefusedRequest,
    ResourceUsage,
    UnhandledException,
    fields,
)

ALL_KINDS: list[Line] = [
    Inference(task="mask_prediction", status="success", request_id="r"),
    RefusedRequest(request_id="r", path="/predict", status_code=401, error_type="UnauthorizedError"),
    ModelLoad(status="start", model_name="m"),
    Device(status="cpu_fallback", device="cpu"),
    ResourceUsage(process="gateway", pid=1, cpu_percent=1.5, memory_mb=2.5),
    Alert(task="errors_in_a_row", status="firing", value=5, threshold=5),
    Canary(status="drift", model_name="m", value=0.2, threshold=0.1),
    UnhandledException(error_type="KeyError", error="'x'"),
    LostLines(lost_lines=3),
]


def inference(text: str) -> Inference:
    return Inference(task="mask_prediction", status="success", request_id="r", input_text=text)


def test_an_inference_line_is_as_the_design_has_it() -> None:
    line = Inference(
        timestamp=datetime(2026, 4, 5, 10, 23, 45, 123456, UTC).timestamp(),
        task="mask_prediction",
        status="success",
        request_id="7f",
        trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
        model_name="bert_mlm",
        model_version=1,
        batch_size=1,
        input_text="中国的首[MASK]是北京。",
        predicted_token="都",
        score=0.98,
        inference_time_ms=12.7,
        tokenize_time_ms=0.2,
        total_time_ms=14.1,
        gpu_memory_mb=0,
    )
    assert encode(line).decode() == (
        '{"timestamp":"2026-04-05T10:23:45.123Z","level":"INFO","module":"inference","task":"mask_prediction",'
        '"status":"success","request_id":"7f","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","model_name":"bert_mlm",'
        '"model_version":1,"batch_size":1,"input_text":"中国的首[MASK]是北京。","predicted_token":"都","score":0.98,'
        '"inference_time_ms":12.7,"tokenize_time_ms":0.2,"total_time_ms":14.1,"duration_ns":14100000,"gpu_memory_mb":0,'
        '"sentences":1.0,"calls":1.0}\n'
    )


def test_what_is_absent_is_left_out() -> None:
    line = json.loads(
        encode(Inference(task="mask_prediction", status="failed", request_id="r", error_type="X", error="x"))
    )
    common = ["timestamp", "level", "module", "task", "status", "request_id"]
    assert list(line) == [*common, "sentences", "calls", "errors", "error_type", "error"]


@pytest.mark.parametrize("line", ALL_KINDS, ids=lambda line: type(line).__name__)
def test_every_kind_has_the_common_fields_first_and_in_order(line: Line) -> None:
    written = json.loads(encode(line))
    assert list(written)[:5] == ["timestamp", "level", "module", "task", "status"]
    assert list(written) == [name for name in (one.name for one in dataclasses.fields(line)) if name in written]


@pytest.mark.parametrize(
    ("line", "level"),
    [
        (Inference(task="mask_prediction", status="success", request_id="r"), "INFO"),
        (Inference(task="mask_prediction", status="low_confidence", request_id="r"), "WARNING"),
        (Inference(task="mask_prediction", status="failed", request_id="r"), "ERROR"),
        (
            ModelLoad(status="success", model_name="m", level="WARNING", load_time_ms=60_000),
            "WARNING",
        ),
        (Device(status="cpu_fallback", device="cpu"), "WARNING"),
        (Device(status="active", device="cpu"), "INFO"),
        (RefusedRequest(request_id="r", path="other", status_code=415, error_type="X"), "WARNING"),
        (Canary(status="drift", model_name="m"), "WARNING"),
        (Alert(task="latency", status="firing", value=600, threshold=500), "WARNING"),
        (Alert(task="latency", status="resolved", value=400, threshold=500), "INFO"),
        (UnhandledException(error_type="KeyError", error="x"), "ERROR"),
    ],
)
def test_the_status_says_the_level_unless_it_is_given(line: Line, level: str) -> None:
    assert json.loads(encode(line))["level"] == level


@given(st.text(st.characters(codec=None)))
def test_no_text_breaks_a_line_or_its_encoding(text: str) -> None:
    written = encode(inference(text))
    as_text = written.decode("utf-8", "strict")
    assert as_text.splitlines(keepends=True) == [as_text.replace("\r", "")]
    assert written.endswith(b"}\n")
    without_halves = "".join("\ufffd" if 0xD800 <= ord(character) <= 0xDFFF else character for character in text)
    assert json.loads(written)["input_text"] == without_halves


@pytest.mark.parametrize("code", [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029])
def test_control_characters_and_line_separators_are_escaped(code: int) -> None:
    written = encode(inference(f"北{chr(code)}京")).decode()
    assert chr(code) not in written.removesuffix("\n")
    assert json.loads(written)["input_text"] == f"北{chr(code)}京"


def test_chinese_is_written_as_it_is() -> None:
    assert "床前明月光，疑是地[MASK]霜。\u3000𠮷" in encode(inference("床前明月光，疑是地[MASK]霜。\u3000𠮷")).decode()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_left_out(value: float) -> None:
    written = encode(dataclasses.replace(inference("北京"), score=value, total_time_ms=value))
    assert "score" not in json.loads(written, parse_constant=pytest.fail)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_keeps_six_digits_and_stays_a_number_with_a_fraction(value: float) -> None:
    score = json.loads(encode(dataclasses.replace(inference("北京"), score=value)))["score"]
    assert isinstance(score, float)
    assert score == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize("seconds", [0, 0.0004, 1_775_384_625.9999, 1_775_384_625.0])
def test_a_timestamp_has_milliseconds_and_is_never_in_the_future(seconds: float) -> None:
    written = json.loads(encode(dataclasses.replace(inference("北京"), timestamp=seconds)))["timestamp"]
    assert len(written) == len("2026-04-05T10:23:45.123Z")
    assert 0 <= seconds - datetime.fromisoformat(written).timestamp() < 0.001


def test_every_field_is_documented_with_its_type_and_its_lines() -> None:
    used = {one.name for kind in KINDS for one in dataclasses.fields(kind)}
    assert used == set(MEANINGS)
    by_name = {field.name: field for field in fields()}
    assert len(by_name) == len(MEANINGS)
    assert by_name["timestamp"].type == "date"
    assert by_name["model_version"].type == "integer"
    assert by_name["score"].type == "number"
    assert by_name["input_text"].type == "string"
    assert by_name["score"].lines == ("Inference",)
    assert by_name["level"].lines == tuple(kind.__name__ for kind in KINDS)
    assert all(field.meaning.endswith(".") for field in fields())


@pytest.mark.parametrize("line", ALL_KINDS, ids=lambda line: type(line).__name__)
def test_a_line_cannot_be_changed(line: Line) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        line.task = "other"  # type: ignore[misc]  # that it is refused is the test
    assert not hasattr(line, "__dict__")
