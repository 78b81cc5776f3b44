"""Tables with aligned columns, bars and the progress bar."""

import contextlib
import os
import pty
import subprocess
import unicodedata
from collections.abc import Mapping
from pathlib import Path

import pytest
from bert_mlm_client.cli import progress
from bert_mlm_client.cli.tables import Tables
from bert_mlm_client.results import Explanation, Filling, Prediction, TokenWeight

from tests.client.cli.process import COMMAND, Texts


def columns_of(text: str) -> int:
    """A text's width in terminal columns, by Unicode's East Asian Width."""
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def printed(capsys: pytest.CaptureFixture[str], command: str, answer: object, question: object = "") -> list[str]:
    Tables(command).show(question, answer)
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("token", ["都", "a", "##ing", "Ａ", "😀", "ｶ", "—", "é"])
def test_columns_align_after_wide_characters(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    answer = [
        Prediction(0.5, 1, "二", "甲乙丙"),
        Prediction(0.25, 2, token, "甲乙丙"),
        Prediction(0.1, 3, "x", "甲乙丙"),
    ]
    lines = [line for line in printed(capsys, "fill", answer) if "甲乙丙" in line]
    assert len(lines) == 3
    assert len({columns_of(line.partition("甲乙丙")[0]) for line in lines}) == 1


@pytest.mark.parametrize("hostile", ["[red]红[/red]", "[/]", ":smile:", "[link=http://x]y[/link]", "\\[bold]"])
def test_a_text_is_never_markup(capsys: pytest.CaptureFixture[str], hostile: str) -> None:
    filling = Filling(0.5, -0.7, (1,), (hostile,), f"{hostile}。")
    assert any(f"{hostile}。" in line and line.count(hostile) == 2 for line in printed(capsys, "score", [filling]))


def test_an_empty_answer_is_an_empty_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "fill", [])[0].split() == ["score", "token", "sequence"]


def test_bars_are_proportional_to_weights_above_noise(capsys: pytest.CaptureFixture[str]) -> None:
    def bars(*weights: float) -> list[int]:
        tokens = tuple(TokenWeight("甲", each, (number, number + 1)) for number, each in enumerate(weights))
        explanation = Explanation("甲乙", "attention", Prediction(0.5, 1, "二", "一二"), tokens)
        return [line.count("█") for line in printed(capsys, "explain", explanation) if "甲" in line]

    assert bars(2.0, 1.0, -1.0, 0.00004) == [20, 10, 0, 0]
    assert bars(0.00004, 0.00001) == [0, 0]


def test_uninformative_weights_are_replaced_by_a_note(capsys: pytest.CaptureFixture[str]) -> None:
    note = "100.0% of the last layer's attention rests on [CLS], [SEP] and [MASK]"
    weights = (TokenWeight("甲", 0.0, (0, 1)),)
    explanation = Explanation("甲乙", "attention", Prediction(0.5, 1, "二", "一二"), weights, note)
    assert printed(capsys, "explain", explanation) == ["二  0.5000  一二", note]


def on_a_terminal(arguments: list[str], environment: Mapping[str, str]) -> str:
    """Return the command's standard error on a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env={**environment, "TERM": "xterm", "COLUMNS": "120"},
    ) as process:
        os.close(theirs)
        written = b""
        with contextlib.suppress(OSError):  # Linux raises EIO after the last writer has closed
            while chunk := os.read(ours, 4096):
                written += chunk
        os.close(ours)
    assert process.returncode == 0, written
    return written.decode()


def test_long_work_shows_a_bar_with_rate_and_time_left(
    environment: dict[str, str], grpc_url: str, texts_file: Texts, tmp_path: Path
) -> None:
    program = "import sys; from bert_mlm_client.cli import main, progress; progress.LONG_S = 0; sys.exit(main())"
    arguments = ["--input", str(texts_file(2000)), "--output", str(tmp_path / "answers.jsonl"), "--url", grpc_url]
    command = [COMMAND[0], "-c", program, "fill", *arguments]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.client.cli.test_tables.COMMAND", command[:3])
        written = on_a_terminal(command[3:], environment)
    assert "/2000" in written
    assert "lines/s" in written
    assert "0:00:0" in written
    assert written.endswith("lines/s\r\n"), "the bar is gone, the summary stays"


def test_short_work_shows_no_bar(environment: dict[str, str], grpc_url: str) -> None:
    assert on_a_terminal(["fill", "今天[MASK]", "--output", "/dev/null", "--url", grpc_url], environment).startswith(
        "bert-mlm: 1 line, 0 failed"
    )


def test_no_terminal_shows_no_bar(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LONG_S", 0)
    with progress.Bar(10) as bar:
        bar.advance(5)
    assert capsys.readouterr().err == ""
