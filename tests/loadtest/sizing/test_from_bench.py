"""Test that the benchmark's results become series."""

from pathlib import Path

import pytest

from loadtest.bench.results import Results, Row, Spread, SystemFigures
from loadtest.sizing.errors import SizingError
from loadtest.sizing.from_bench import read_bench
from loadtest.sizing.predict import Times


def row(workload: str, connections: int, requests_per_s: float, p50_ms: float) -> Row:
    rate, median, high = (Spread.of([value]) for value in (requests_per_s, p50_ms, 1.5 * p50_ms))
    return Row("gateway", workload, connections, rate, median, high, high, 100, 0, 300.0, 50.0)


def results(title: str = "bert-base-chinese's size") -> Results:
    found = Results(
        {"cores": 2, "processor": "a processor"},
        {"date": "2026-11-22", "title": title, "sentences": "240 real sentences, median 15, mean 18.5, the same."},
    )
    found.systems = {
        "onnx": SystemFigures("the server", 4.0, 227.0, 185.0, 1.0),
        "gateway": SystemFigures("the gateway", 1.0, 104.0, 72.0, 0.5),
    }
    found.rows = [
        row("mixed", 1, 100.0, 10.0),
        row("mixed", 16, 160.0, 100.0),
        row("16 tokens", 1, 125.0, 8.0),
        row("32 tokens", 1, 50.0, 16.0),
    ]
    return found


def test_a_length_is_the_mixed_load_times_the_ratio_over_one_connection(tmp_path: Path) -> None:
    results().save(tmp_path / "results.json")
    found = {one.tokens: one for one in read_bench(tmp_path / "results.json")}
    assert list(found) == [16, 18.5, 32]
    mixed, long = found[18.5], found[32]
    assert (mixed.system, mixed.model, mixed.cores, mixed.memory_mb) == ("gateway", "bert-base", 2, 331.0)
    assert [point.requests_per_s for point in mixed.points] == [100.0, 160.0]
    ratio = Times.of(long).each_ms / Times.of(mixed).each_ms
    assert ratio == pytest.approx(16 / 9.25, rel=0.05)


def test_another_model_keeps_its_name(tmp_path: Path) -> None:
    results("demo").save(tmp_path / "results.json")
    assert {one.model for one in read_bench(tmp_path / "results.json")} == {"demo"}


@pytest.mark.parametrize("content", ["", "[]", "{}"])
def test_other_files_are_rejected(content: str, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(SizingError, match=r"results\.json"):
        read_bench(path)
