import json
import re
from dataclasses import asdict
from pathlib import Path

import pytest
from bert_mlm_client import FillMask

from loadtest import bulk
from loadtest.soak import Server


def test_lines_are_distinct_deterministic_and_have_one_mask() -> None:
    lines = list(bulk.masked_lines(500))
    assert len(set(lines)) == 500
    assert all(line.count("[MASK]") == 1 for line in lines)
    assert lines == list(bulk.masked_lines(500))


def test_repeated_sentences_have_other_masks(tmp_path: Path) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("床前明月光，疑是地上霜。\n", encoding="utf-8")
    lines = list(bulk.masked_lines(20, [texts]))
    assert 5 < len(set(lines)) <= 10
    assert {re.sub(r"\[MASK\]", "", line)[-1] for line in lines} == {"。"}


def test_texts_without_a_sentence_are_rejected(tmp_path: Path) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("no sentence\n", encoding="utf-8")
    with pytest.raises(ValueError, match="no sentence"):
        list(bulk.masked_lines(1, [texts]))


def test_the_output_is_complete_after_kill_and_resume(
    demo_servable: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--model-base-path", str(demo_servable), "--lines", "4096", "--engine-lines", "256"]
    status = bulk.main([*arguments, "--work", str(tmp_path)])
    printed = capsys.readouterr().out
    summary = json.loads((tmp_path / "bulk.json").read_text())
    assert status == 0, printed
    assert 2048 <= summary["killed_at"] < 4096
    assert len(summary["rss_mb"]) == 2
    assert 0 < summary["ratio"] < 2
    assert "nothing: every line once and in order" in printed


def test_lost_duplicate_failed_and_wrong_lines_are_found(demo_server: Server, tmp_path: Path) -> None:
    lines = list(bulk.masked_lines(4))
    with FillMask(demo_server.grpc) as client:
        answers = [[asdict(candidate) for candidate in answer] for answer in client.fill(lines)]
    right = [
        {"line": number, "text": line, "answer": answer}
        for number, (line, answer) in enumerate(zip(lines, answers, strict=True), 1)
    ]
    failed = {"line": 2, "text": lines[1], "error": "no", "error_type": "InputError"}
    other = {**right[1], "answer": [{**answers[1][0], "score": 0.5}, *answers[1][1:]]}

    def faults(*documents: dict[str, object]) -> list[str]:
        output = tmp_path / "answers.jsonl"
        output.write_text("".join(json.dumps(document) + "\n" for document in documents))
        return list(bulk.check(output, lines, demo_server.grpc))

    first, second, third, fourth = right
    assert faults(*right) == []
    assert faults(first, second, third) == ["the output has 3 lines, the input 4"]
    assert faults(first, second, second, third, fourth) == [f"line 3 of the output is line 2: {lines[1]}"]
    assert faults(first, third, second, fourth) == [f"line 2 of the output is line 3: {lines[2]}"]
    assert faults(first, failed, third, fourth) == ["line 2: no"]
    [fault] = faults(first, other, third, fourth)
    assert fault.startswith(f"line 2: {answers[1][0]['token_str']} 0.500000, alone ")
