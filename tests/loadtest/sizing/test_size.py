"""Test the calculator on a data file made for it."""

import json
import math
from pathlib import Path

import pytest

from loadtest.sizing.__main__ import main
from loadtest.sizing.errors import SizingError
from loadtest.sizing.measured import DATA, Point, Series, choose, load, merge, save
from loadtest.sizing.predict import Times, predict
from loadtest.sizing.size import size

FIXED_MS, EACH_MS = 2.0, 3.0


def series(tokens: float = 20, cores: int = 1, factor: float = 1.0) -> Series:
    """A replica of which a batch of n takes ``FIXED_MS + EACH_MS * n``."""
    points = []
    for number in (1, 2, 4, 8, 16):
        cycle_ms = factor * (FIXED_MS + EACH_MS * number)
        points.append(Point(number, 1000 * number / cycle_ms, cycle_ms, 1.2 * cycle_ms, cycle_ms / number, 0.5))
    return Series("one-process", "demo", tokens, cores, 150.0, "a test", tuple(points))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.json"
    save([series(10, factor=0.5), series(30, factor=1.5)], path)
    return path


def test_the_times_of_a_batch_are_found() -> None:
    times = Times.of(series())
    assert (times.fixed_ms, times.each_ms, times.loop_ms) == pytest.approx((FIXED_MS, EACH_MS, 0.5))
    assert times.largest_batch == 25, "512 tokens"
    assert times.spread == pytest.approx(math.log(1.2) / 1.645)


def test_more_load_is_never_faster_and_never_needs_less() -> None:
    rates = (10, 50, 100, 200, 280)
    latencies = [predict(series(), rate).p95_ms for rate in rates]
    assert latencies == sorted(latencies)
    busy = [predict(series(), rate).cores_busy for rate in rates]
    assert busy == sorted(busy)
    replicas = [size(series(), rate, 30, 0.2).replicas for rate in (1, 10, 100, 300, 1000, 3000)]
    assert replicas == sorted(replicas)
    assert replicas[0] == 1


def test_a_tighter_target_and_more_headroom_need_more() -> None:
    replicas = [size(series(), 1000, p95_ms, 0.2).replicas for p95_ms in (100, 30, 15, 10)]
    assert replicas == sorted(replicas)
    assert replicas[0] < replicas[-1]
    assert size(series(), 1000, 30, 0.0).replicas < size(series(), 1000, 30, 0.5).replicas


def test_the_answer_keeps_the_target_and_one_replica_less_does_not() -> None:
    found = size(series(), 1000, 30, 0.0)
    assert found.each.p95_ms <= 30
    share = 1000 / (found.replicas - 1)
    assert share >= Times.of(series()).capacity_s or predict(series(), share).p95_ms > 30
    assert (found.cores, found.memory_mb) == (found.replicas, 150.0 * found.replicas)


def test_times_are_linear_between_two_lengths(data: Path) -> None:
    found = choose(load(data), "one-process", "demo", 20)
    assert Times.of(found).each_ms == pytest.approx(EACH_MS)


def test_new_series_replace_those_of_the_same_system_and_model() -> None:
    assert merge([series(10), series(20)], [series(30)]) == [series(30)]


def test_the_command_answers(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = [f"--data={data}", "--model=demo", "--tokens=20"]
    assert main(["--rps=500", "--p95-ms=100", *given]) == 0
    told = capsys.readouterr().out
    assert "replicas        3 of 1 core\n" in told
    assert "memory          450 MB (150 MB a replica)" in told
    assert main(["--list", f"--data={data}"]) == 0
    assert capsys.readouterr().out.count("one-process") == 2


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--rps=-1", "--p95-ms=100"], "--rps must be a number above 0, not -1"),
        (["--rps=nan", "--p95-ms=100"], "--rps must be a number above 0, not nan"),
        (["--rps=5", "--p95-ms=0"], "--p95-ms must be a number above 0, not 0"),
        (["--rps=5", "--p95-ms=50", "--headroom=1"], "--headroom must be from 0 to below 1, not 1"),
        (["--rps=5", "--p95-ms=3"], "no number of replicas answers in 3 ms"),
        (["--rps=5", "--p95-ms=50", "--tokens=31"], "measured with texts of 10 to 30 tokens, not 31"),
        (["--rps=5", "--p95-ms=50", "--cores=4"], "measured with 1 cores a replica, not 4"),
        (["--rps=5", "--p95-ms=50", "--system=flask"], "flask with demo was not measured; choose from one-process"),
        (["--rps=1e9", "--p95-ms=50"], "more than this model is made for"),
        (["--from-bench=missing.json"], "missing.json cannot be read"),
        (["--measure", "--models=large", "--cores=1000"], "leave none of"),
    ],
)
def test_bad_input_is_one_sentence(given: list[str], told: str, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([f"--data={data}", "--model=demo", "--tokens=20", *given]) == 1
    error = capsys.readouterr().err
    assert told in error
    assert error.startswith("sizing: ")
    assert error.count("\n") == 1


@pytest.mark.parametrize("content", ["", "[]", '{"series": [{"system": 1}]}'])
def test_a_damaged_data_file_is_rejected(content: str, tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(SizingError, match="measure again with --measure"):
        load(path)


def test_a_question_without_a_rate_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--rps=5"])
    assert "give --rps and --p95-ms" in capsys.readouterr().err


def test_the_committed_data_answer_the_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--rps=500", "--p95-ms=100"]) == 0
    assert "one-process with bert-base" in capsys.readouterr().out
    assert {"one-process", "tensorflow-grpc"} <= {one.system for one in load()}
    assert json.loads(DATA.read_text(encoding="utf-8"))["series"]
