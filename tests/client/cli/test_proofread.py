"""The command that proofreads texts and files."""

import json
from pathlib import Path
from typing import Any

import pytest
from bert_mlm_client import FillMask

from tests.client.cli.process import Run
from tests.client.cli.test_commands import as_json
from tests.client.scripted import ScriptedClassifier, grpc_server

TEXT = "床前明月光，疑是地上霜。"


def test_one_text_is_the_librarys_answer(run: Run, served_url: str) -> None:
    with FillMask(served_url) as client:
        expected = client.proofread(TEXT, 0.01, 2)
    done = run("proofread", TEXT, "--threshold", 0.01, "--top-k", 2, "--url", served_url, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == as_json(expected)
    assert expected.suspects
    with FillMask(served_url) as client:
        expected = client.proofread(TEXT, spacing=3)
    done = run("proofread", TEXT, "--spacing", 3, "--url", served_url, "--json")
    assert json.loads(done.stdout) == as_json(expected)


def test_the_table_has_a_row_for_each_suspect(run: Run, served_url: str) -> None:
    with FillMask(served_url) as client:
        suspects = client.proofread(TEXT, 1.0, 1).suspects
    done = run("proofread", TEXT, "--threshold", 1, "--top-k", 1, "--url", served_url, "--table")
    rows = [line.split() for line in done.stdout.splitlines() if line[:10].strip()[:1].isdecimal()]
    assert rows == [
        [str(one.start), one.token_str, f"{one.score:.4f}", better.token_str, f"{better.score:.4f}"]
        for one in suspects
        for better in one.suggestions
    ]
    none = run("proofread", TEXT, "--threshold", 0, "--url", served_url, "--table")
    assert none.stdout == "no suspects\n"


def test_a_file_is_proofread_line_by_line_and_resumed(run: Run, served_url: str, tmp_path: Path) -> None:
    source, output = tmp_path / "texts.txt", tmp_path / "suspects.jsonl"
    source.write_text(f"{TEXT}\n\n春风\n{'春' * 600}\n", encoding="utf-8")
    arguments = ["proofread", "--input", source, "--output", output, "--url", served_url]
    done = run(*arguments)
    assert done.returncode == 3
    assert "3 lines, 1 failed (1 too long: --truncate)" in done.stderr
    lines = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert [line["line"] for line in lines] == [1, 3, 4]
    with FillMask(served_url) as client:
        for line, text in zip(lines, (TEXT, "春风"), strict=False):
            expected: Any = as_json(client.proofread(text))
            characters = line["answer"].pop("characters")
            assert [one.pop("score") for one in characters] == pytest.approx(
                [one.pop("score") for one in expected["characters"]], rel=1e-3
            )
            assert characters == expected["characters"]
            assert [one["start"] for one in line["answer"]["suspects"]] == [
                one["start"] for one in expected["suspects"]
            ]
    assert "is complete: 3 lines, 1 failed" in run(*arguments, "--resume").stderr
    truncated = run(*arguments, "--truncate")
    assert (truncated.returncode, output.read_text(encoding="utf-8").count('"answer"')) == (0, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["", "--threshold", "0.1"], "the text is empty; write a sentence"),
        ([TEXT, "--threshold", "2"], "the threshold is 2.0; give a probability from 0 to 1"),
    ],
)
def test_an_invalid_question_is_one_line_on_standard_error(
    run: Run, served_url: str, arguments: list[str], message: str
) -> None:
    done = run("proofread", *arguments, "--url", served_url)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"bert-mlm: {message}\n"


def test_a_classifier_cannot_proofread(run: Run) -> None:
    with grpc_server(ScriptedClassifier()) as url:
        done = run("proofread", TEXT, "--model", "genre", "--url", url)
    assert (done.returncode, done.stdout) == (1, "")
    assert "bert-mlm classify" in done.stderr


@pytest.mark.parametrize("name", ["proofreading", "proof-read", "correct"])
def test_other_names_suggest_the_command(run: Run, name: str) -> None:
    assert run(name, TEXT).stderr.endswith(f"there is no command {name!r}; did you mean bert-mlm proofread?\n")
