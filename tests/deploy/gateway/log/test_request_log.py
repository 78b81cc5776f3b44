"""Test the redaction and the sampling of lines."""

import dataclasses
import hashlib
import hmac
import json
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.gateway.log.lines import CallersWord, Inference, UnhandledException
from deploy.gateway.log.request_log import MAX_TEXT, RequestLog, TextMode
from deploy.gateway.log.writer import LogWriter

KEY = bytes(range(32))
LINE = Inference(
    task="mask_prediction",
    status="success",
    request_id="r",
    input_text="我的电话是13812345678，[MASK]。",
    predicted_token="好",
)

Written = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[LogWriter]:
    with LogWriter(tmp_path / "gateway.log") as writer:
        yield writer


@pytest.fixture
def written(writer: LogWriter, tmp_path: Path) -> Written:
    def read() -> list[dict[str, Any]]:
        writer.close()
        file = tmp_path / "gateway.log"
        return [json.loads(line) for line in file.read_bytes().splitlines()] if file.exists() else []

    return read


def traceback_of(key: str) -> str:
    nothing: dict[str, str] = {}
    try:
        nothing[key]
    except KeyError as error:
        return "".join(traceback.format_exception(error))
    return ""


def test_personal_data_is_masked_in_the_sentence_and_in_the_error(writer: LogWriter, written: Written) -> None:
    RequestLog(writer).write(dataclasses.replace(LINE, status="failed", error_type="E", error="no: 13812345678"))
    (line,) = written()
    assert line["input_text"] == "我的电话是[PHONE]，[MASK]。"
    assert line["error"] == "no: [PHONE]"


@pytest.mark.parametrize(
    "number",
    [
        "138\u00a01234\u00a05678",
        "138\t1234\t5678",
        "138\u20111234\u20115678",
        "138\u202f1234\u202f5678",
        "138\u30001234\u30005678",
    ],
)
def test_personal_data_is_masked_in_an_error_that_quotes_it_as_python_does(
    number: str, writer: LogWriter, written: Written
) -> None:
    candidate = f"{number}，\n[MASK]"
    message = f"the word {candidate!r} has a [MASK]"
    trace = f"Traceback (most recent call last):\nKeyError: {number!r}\n"
    RequestLog(writer).write(dataclasses.replace(LINE, status="failed", error_type="E", error=message))
    RequestLog(writer).write(UnhandledException(error_type="KeyError", error=repr(number), traceback=trace))
    answer, unhandled = written()
    assert answer["error"] == "the word '[PHONE]，\\n[MASK]' has a [MASK]"
    assert unhandled["error"] == "'[PHONE]'"
    assert unhandled["traceback"] == "Traceback (most recent call last):\nKeyError: '[PHONE]'\n"


def test_what_looks_like_an_escape_in_a_sentence_stays(writer: LogWriter, written: Written) -> None:
    RequestLog(writer).write(dataclasses.replace(LINE, input_text="\\xa0\\u4e00", error="\\U0011ffff\\x4"))
    assert written()[0]["input_text"] == "\\xa0\\u4e00"
    assert written()[0]["error"] == "\\U0011ffff\\x4"


def test_a_digest_is_keyed_and_equal_for_equal_sentences(writer: LogWriter, written: Written) -> None:
    log = RequestLog(writer, text_mode="digest", digest_key=KEY)
    log.write(LINE)
    log.write(LINE)
    RequestLog(writer, text_mode="digest", digest_key=KEY[::-1]).write(LINE)
    first, second, other = (line["input_text"] for line in written())
    assert LINE.input_text
    assert first == second == "hmac-sha256:" + hmac.new(KEY, LINE.input_text.encode(), hashlib.sha256).hexdigest()
    assert other != first


def test_a_sentence_with_half_a_surrogate_pair_has_a_digest(writer: LogWriter, written: Written) -> None:
    RequestLog(writer, text_mode="digest", digest_key=KEY).write(dataclasses.replace(LINE, input_text="\ud800"))
    assert written()[0]["input_text"].startswith("hmac-sha256:")


@pytest.mark.parametrize("mode", ["digest", "none"])
def test_nothing_of_the_sentence_is_written_in_the_other_modes(
    mode: TextMode, writer: LogWriter, written: Written, tmp_path: Path
) -> None:
    log = RequestLog(writer, text_mode=mode, digest_key=KEY)
    log.write(
        dataclasses.replace(LINE, input_text="秘密", status="failed", error_type="E", error="the text has '秘\\'密'")
    )
    log.write(UnhandledException(error_type="KeyError", error="秘密", traceback=traceback_of("秘密")))
    answer, unhandled = written()
    assert "秘" not in (tmp_path / "gateway.log").read_text(encoding="utf-8")
    assert answer["error"] == "the text has …"
    assert unhandled["error_type"] == "KeyError"
    assert "error" not in unhandled
    assert unhandled["traceback"].startswith(f'  File "{__file__}", line ')
    assert unhandled["traceback"].endswith(", in traceback_of")


def test_an_answer_that_is_the_callers_own_word_is_written_as_the_sentence_is(
    writer: LogWriter, written: Written
) -> None:
    line = dataclasses.replace(LINE, predicted_token=CallersWord("13812345678"))
    RequestLog(writer).write(line)
    RequestLog(writer, text_mode="digest", digest_key=KEY).write(line)
    RequestLog(writer, text_mode="none").write(line)
    RequestLog(writer, text_mode="none").write(LINE)
    masked, digest, none, of_the_model = written()
    assert masked["predicted_token"] == "[PHONE]"
    assert digest["predicted_token"] == "hmac-sha256:" + hmac.new(KEY, b"13812345678", hashlib.sha256).hexdigest()
    assert "predicted_token" not in none
    assert of_the_model["predicted_token"] == "好"


def test_without_a_text_there_is_no_field(writer: LogWriter, written: Written) -> None:
    RequestLog(writer, text_mode="none").write(LINE)
    assert "input_text" not in written()[0]


def test_a_long_text_is_shortened(writer: LogWriter, written: Written) -> None:
    RequestLog(writer).write(dataclasses.replace(LINE, input_text="长" * 1_000_000))
    assert written()[0]["input_text"] == "长" * MAX_TEXT + "…"


def test_of_a_long_traceback_the_end_is_written(writer: LogWriter, written: Written) -> None:
    long = "".join(f'  File "x.py", line {number}, in f\n' for number in range(1000)) + "KeyError: 'x'\n"
    RequestLog(writer).write(UnhandledException(error_type="KeyError", error="'x'", traceback=long))
    lines = written()[0]["traceback"].splitlines()
    assert lines[0].startswith('  File "x.py", line ')
    assert lines[-1] == "KeyError: 'x'"


@pytest.mark.parametrize("cut_off", range(1, 12))
def test_a_number_is_not_cut_in_two(cut_off: int, writer: LogWriter, written: Written) -> None:
    text = "长" * (MAX_TEXT - cut_off) + "13812345678，" + "长" * 100
    RequestLog(writer).write(dataclasses.replace(LINE, input_text=text))
    assert "1" not in written()[0]["input_text"]


def test_a_sample_is_of_whole_requests_and_says_its_rate(writer: LogWriter, written: Written) -> None:
    log = RequestLog(writer, sample_rate=0.25)
    for number in range(4000):
        for _ in range(2):
            log.write(dataclasses.replace(LINE, request_id=str(number)))
    lines = written()
    requests = [line["request_id"] for line in lines]
    assert 800 < len(set(requests)) < 1200  # 1000 expected; the bounds are seven standard deviations away
    assert all(requests.count(request) == 2 for request in set(requests))
    assert {line["sample_rate"] for line in lines} == {0.25}


def test_failures_and_low_confidence_are_always_written(writer: LogWriter, written: Written) -> None:
    log = RequestLog(writer, sample_rate=0.0001)
    for number in range(100):
        log.write(dataclasses.replace(LINE, request_id=str(number), status="failed"))
        log.write(dataclasses.replace(LINE, request_id=str(number), status="low_confidence"))
    lines = written()
    assert len(lines) == 200
    assert not any("sample_rate" in line for line in lines)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"text_mode": "digest"}, "digests need a key of 16 bytes or more"),
        ({"text_mode": "digest", "digest_key": b"short"}, "digests need a key of 16 bytes or more"),
        ({"text_mode": "full"}, "the text mode is 'full'; give one of masked, digest, none"),
        ({"sample_rate": 0.0}, "the sample rate is 0.0"),
        ({"sample_rate": 1.5}, "the sample rate is 1.5"),
    ],
)
def test_settings_that_make_no_sense_are_refused(writer: LogWriter, settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        RequestLog(writer, **settings)
