"""What the kill-and-resume run checks, on outputs that are wrong."""

import json
from pathlib import Path

import pytest

from loadtest.batch.resume import Found, check, screen

LINES = [f"第[MASK]{number}行" for number in range(4)]


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """A complete output of two parts."""
    documents = [{"id": f"lines.txt:{number}", "text": line, "answer": []} for number, line in enumerate(LINES, 1)]
    for number in range(2):
        lines = [json.dumps(one, ensure_ascii=False) + "\n" for one in documents[2 * number : 2 * number + 2]]
        (tmp_path / f"part-{number:06d}.jsonl").write_text("".join(lines), "utf-8")
    (tmp_path / "_SUCCESS").touch()
    return tmp_path


def test_a_whole_output_has_no_faults(output: Path) -> None:
    assert list(check(output, LINES)) == []


def test_a_missing_part_is_found(output: Path) -> None:
    (output / "part-000000.jsonl").unlink()
    assert list(check(output, LINES)) == ["part-000001.jsonl has lines.txt:3 in place of lines.txt:1"]


def test_a_missing_end_is_found(output: Path) -> None:
    (output / "part-000001.jsonl").unlink()
    (output / "_SUCCESS").unlink()
    assert list(check(output, LINES)) == [
        "the output has 2 lines, the input 4",
        "the output is not marked as complete",
    ]


def test_a_repeated_line_is_found(output: Path) -> None:
    part = output / "part-000001.jsonl"
    part.write_bytes(part.read_bytes() * 2)
    assert list(check(output, LINES)) == ["part-000001.jsonl has lines.txt:3 in place of nothing"]


def test_a_failed_line_is_found(output: Path) -> None:
    part = output / "part-000000.jsonl"
    part.write_text(part.read_text("utf-8").replace('"answer": []', '"error": "too long"'), "utf-8")
    assert list(check(output, LINES)) == ["lines.txt:1: too long", "lines.txt:2: too long"]


def test_the_summary_has_every_fault() -> None:
    found = Found(50_000, 12_500, 25_600, [60.0, 70.5, 3.0], [(228.4, 229.0)], ["a line is lost"])
    text = screen(found)
    assert "24,400 lines in run 2" in text
    assert "228 MB of private memory at the beginning, 229 MB at the end" in text
    assert text.endswith("a line is lost")
