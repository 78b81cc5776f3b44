"""Lines of files and pipes through the command."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bert_mlm_client import FillMask

from tests.client.cli.process import Run, RunWith, Start, Texts, sentences
from tests.client.cli.test_commands import as_json
from tests.client.scripted import Refusal, ScriptedModel

ONE = "中国的首[MASK]是北京。"
TWO = "今天[MASK][MASK]很好"


def documents(text: str) -> list[Any]:
    return [json.loads(line) for line in text.split("\n")[:-1]]


def test_a_files_lines_are_answered_in_order_as_the_library_answers(
    run: Run, grpc_url: str, texts_file: Texts, tmp_path: Path
) -> None:
    source, output = texts_file(1200), tmp_path / "answers.jsonl"
    done = run("fill", "--input", source, "--output", output, "--url", grpc_url, "--top-k", "2")
    assert (done.returncode, done.stdout) == (0, "")
    assert re.fullmatch(r"bert-mlm: 1,200 lines, 0 failed; [\d.]+ s, [\d,]+ lines/s\n", done.stderr)
    texts = sentences(1200)
    with FillMask(grpc_url) as client:
        expected = as_json(client.fill(texts, top_k=2))
    assert isinstance(expected, list)
    assert documents(output.read_text(encoding="utf-8")) == [
        {"line": number, "text": text, "answer": answer}
        for number, (text, answer) in enumerate(zip(texts, expected, strict=True), 1)
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answers.jsonl", "texts.txt"]


def test_a_pipe_is_read_by_default_and_by_dash(run: Run, grpc_url: str) -> None:
    given = f"{ONE}\n\n{TWO}\n"
    for arguments in (["fill"], ["fill", "-"], ["fill", "--input", "-"]):
        done = run(*arguments, "--url", grpc_url, "--json", given=given)
        assert (done.returncode, done.stderr) == (0, "")
        found = documents(done.stdout)
        assert [(each["line"], each["text"]) for each in found] == [(1, ONE), (3, TWO)]
        assert [len(each["answer"]) for each in found] == [5, 2]


def test_lines_without_json_are_tables_and_their_errors_on_standard_error(run: Run, grpc_url: str) -> None:
    done = run("fill", "--url", grpc_url, "--table", given=f"{ONE}\n没有\n")
    assert done.returncode == 3
    assert ONE in done.stdout
    assert done.stdout.count("score") == 1
    first, second = done.stderr.splitlines()
    assert first.startswith("bert-mlm: line 2: the text has no [MASK]")
    assert second.startswith("bert-mlm: 2 lines, 1 failed")


def test_invalid_lines_have_an_error_and_the_rest_an_answer(run: Run, grpc_url: str, tmp_path: Path) -> None:
    source, output = tmp_path / "texts.jsonl", tmp_path / "answers.jsonl"
    lines = [
        {"id": 1, "text": ONE},
        {"id": 2, "text": "没有"},
        {"id": 3},
        {"id": 4, "text": 5},
        {"id": 5, "text": "[MASK]" * 40},
        {"id": 6, "text": "半\ud800[MASK]"},
        {"id": 7, "text": TWO, "line": "mine", "error": "old", "answer": 0},
    ]
    source.write_text("".join(f"{json.dumps(line)}\n" for line in lines) + "{\n", encoding="utf-8")
    done = run("fill", "--input", source, "--output", output, "--url", grpc_url)
    assert done.returncode == 3
    reasons = "1 too long: --truncate; 5 others, such as line 2: the text has no [MASK]"
    assert done.stderr.startswith(f"bert-mlm: 8 lines, 6 failed ({reasons}); ")
    found = documents(output.read_text(encoding="utf-8"))
    assert [each["line"] for each in found] == list(range(1, 9))
    assert [each.get("id") for each in found] == [1, 2, 3, 4, 5, 6, 7, None]
    assert {each["error_type"] for each in found if "error" in each} == {"InputError"}
    assert [list(each) for each in found[5:]] == [
        ["line", "error", "error_type", "id", "text"],
        ["line", "id", "text", "answer"],
        ["line", "error", "error_type"],
    ]
    assert [found[index]["error"].partition(";")[0] for index in (1, 2, 3)] == [
        "the text has no [MASK]",
        "the line has no 'text' but 'id'",
        "a text must be a string, not 5",
    ]


@pytest.fixture
def run_lines(run: Run, grpc_url: str, tmp_path: Path) -> Callable[..., list[Any]]:
    """Fill the lines of a new file."""

    def fill(name: str, content: str, *option: str) -> list[Any]:
        (tmp_path / name).write_text(content, encoding="utf-8")
        done = run("fill", "--input", tmp_path / name, "--url", grpc_url, "--json", *option)
        assert (done.returncode, done.stderr) == (0, "")
        return documents(done.stdout)

    return fill


@pytest.mark.parametrize(
    ("name", "content", "option", "fields"),
    [
        ("a.jsonl", '{"q": "今天[MASK]", "id": 1}\n', ("--field", "q"), {"q": "今天[MASK]", "id": 1}),
        ("a.tsv", "1\t今天[MASK]\n", ("--column", "2"), {"columns": ["1", "今天[MASK]"]}),
        ("a.txt", "id\tq\n1\t今天[MASK]\n", ("--column", "q"), {"id": "1", "q": "今天[MASK]"}),
        ("a.tsv", "今天\t[MASK]\n", ("--format", "plain"), {"text": "今天\t[MASK]"}),
    ],
)
def test_formats_follow_name_or_option_and_pass_fields_through(
    run_lines: Callable[..., Any], name: str, content: str, option: tuple[str, str], fields: dict[str, object]
) -> None:
    [found] = run_lines(name, content, *option)
    assert {key: value for key, value in found.items() if key not in {"line", "answer"}} == fields


def test_pairs_and_candidates_come_in_columns_or_fields(run: Run, served_url: str, tmp_path: Path) -> None:
    where, words = "床前明月[MASK]，疑是地上霜。", ("光", "风雨")
    with FillMask(served_url) as client:
        similarity, scores = as_json(client.similarity("春风", "夜雨")), as_json(client.score(where, words))
        features, explanation = client.features("春风"), as_json(client.explain(where)[0])
    pairs, choices = tmp_path / "pairs.jsonl", tmp_path / "choices.jsonl"
    pairs.write_text('{"a": "春风", "b": "夜雨"}\n', encoding="utf-8")
    choices.write_text(json.dumps({"text": where, "candidates": words}) + "\n", encoding="utf-8")
    for source in (["--input", pairs], []):
        done = run("similarity", *source, "--url", served_url, "--json", given="春风\t夜雨\n")
        assert documents(done.stdout)[0]["answer"] == similarity, done.stderr
    for source in (["--input", choices], []):
        done = run("score", *source, "--url", served_url, "--json", given=f"{where}\t光\t风雨\t\n")
        assert documents(done.stdout)[0]["answer"] == scores, done.stderr
    [found] = documents(run("features", "--url", served_url, "--json", given="春风\n").stdout)
    assert found["answer"]["mean"] == pytest.approx(features.mean.tolist(), abs=6e-8)
    [found] = documents(run("explain", "--url", served_url, "--json", given=f"{where}\n").stdout)
    assert found["answer"] == explanation


def test_the_output_may_be_standard_output(run: Run, grpc_url: str) -> None:
    done = run("fill", ONE, "--output", "-", "--url", grpc_url)
    assert (done.returncode, done.stderr) == (0, "")
    assert [each["text"] for each in documents(done.stdout)] == [ONE]


def test_arguments_can_be_written_to_a_file_too(run: Run, grpc_url: str, tmp_path: Path) -> None:
    output = tmp_path / "answers.jsonl"
    output.write_text("something else\n", encoding="utf-8")
    assert run("fill", ONE, TWO, "--output", output, "--url", grpc_url).returncode == 0
    assert [each["text"] for each in documents(output.read_text(encoding="utf-8"))] == [ONE, TWO]


@pytest.mark.parametrize("other", ["texts.txt", "hard", "soft", "stdin", "stdout"])
def test_input_and_output_must_not_be_the_same_file(
    run_with: RunWith, texts_file: Texts, tmp_path: Path, other: str
) -> None:
    source, name = texts_file(3), tmp_path / other
    before = source.read_bytes()
    if other == "hard":
        name.hardlink_to(source)
    elif other == "soft":
        name.symlink_to(source)
    if other == "stdin":
        done = run_with(f"<{source}", "fill", "--output", source)
    elif other == "stdout":
        done = run_with(f">>{source}", "fill", "--input", source, "--json")
    else:
        done = run_with("", "fill", "--input", name, "--output", source)
    assert (done.returncode, source.read_bytes()) == (2, before)
    assert b"the input and the output are the same file" in done.stderr


@pytest.mark.parametrize("from_a_file", [False, True])
def test_an_earlier_output_stays_until_the_first_answer(
    run: Run, grpc_url: str, refusing_port: int, texts_file: Texts, from_a_file: bool
) -> None:
    source = texts_file(200)
    output = source.with_name("answers.jsonl")
    faults = {
        ("--url", f"grpc://127.0.0.1:{refusing_port}"): "no connection",
        ("--column", "nope"): "the first line has no column named 'nope'",
        ("--top-k", "99"): "the first 100 lines all fail",
    }
    given = ["--input", source] if from_a_file else []
    for fault, message in faults.items():
        for before in ([b"something else\n"], []):
            for content in before:
                output.write_bytes(content)
            arguments = ["fill", *given, "--output", output, *fault]
            done = run(*arguments, given=source.read_text(encoding="utf-8"), BERT_MLM_URL=grpc_url)
            assert done.returncode == 1
            assert message in done.stderr
            assert [path.read_bytes() for path in source.parent.iterdir() if path != source] == before
            output.unlink(missing_ok=True)


def test_empty_input_has_empty_output(run: Run, grpc_url: str, texts_file: Texts, tmp_path: Path) -> None:
    output = tmp_path / "answers.jsonl"
    for given in ([], ["--input", texts_file(0)]):
        output.write_text("something else\n", encoding="utf-8")
        assert run("fill", *given, "--output", output, "--url", grpc_url, given="").returncode == 0
        assert output.read_bytes() == b""
        assert not output.with_name("answers.jsonl.resume").exists()


def test_the_output_may_be_a_pipe_with_a_name(start: Start, grpc_url: str, texts_file: Texts, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    process = start("fill", "--input", texts_file(3), "--output", pipe, "--url", grpc_url)
    assert [each["line"] for each in documents(pipe.read_text(encoding="utf-8"))] == [1, 2, 3]
    assert process.wait(60) == 0


def test_json_lines_need_a_format_option(run: Run, grpc_url: str) -> None:
    for command in ("fill", "similarity", "score"):
        done = run(command, "--url", grpc_url, given='{"text": "今天[MASK]", "a": "一", "b": "二"}\n')
        assert (done.returncode, done.stdout) == (1, "")
        assert "line 1 is a JSON object; give --format jsonl" in done.stderr
    assert run("fill", "--url", grpc_url, "--format", "plain", given='{"text": "今天[MASK]"}\n').returncode == 0


def test_options_invalid_for_every_line_end_the_run_early(
    run: Run, grpc_url: str, texts_file: Texts, tmp_path: Path, model: ScriptedModel
) -> None:
    source, output = texts_file(3000), tmp_path / "answers.jsonl"
    arguments = ["fill", "--input", source, "--output", output, "--url", grpc_url]
    done = run(*arguments, "--top-k", "99")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "the first 100 lines all fail, stopped: --top-k is 99, this model" in done.stderr
    asked = sum(len(each.inputs["lengths"]) for each in model.requests("fill_mask"))
    model.asked.clear()
    assert run(*arguments).returncode == 0, "a new run can start"
    assert asked < sum(len(each.inputs["lengths"]) for each in model.requests("fill_mask")) * 4


def test_a_server_failure_ends_the_run_with_status_1(run: Run, grpc_url: str, model: ScriptedModel) -> None:
    model.refusal = Refusal("the model burns", "INTERNAL")
    done = run("fill", "--url", grpc_url, "--json", given=f"{ONE}\n{TWO}\n")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "the model burns" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--input", "/none.txt"], "bert-mlm: /none.txt: No such file or directory\n"),
        (["--input", "/none.txt", "--output", "/tmp/out.jsonl"], "bert-mlm: /none.txt: No such file or directory\n"),
        (["--input", __file__, "--output", "/none/out.jsonl"], "bert-mlm: /none/out.jsonl: No such file or directory"),
        (["--input", __file__, "--output", "."], "bert-mlm: .: Is a directory\n"),
        (["--input", "/"], "bert-mlm: /: Is a directory\n"),
    ],
)
def test_a_file_that_cannot_be_opened_is_named(run: Run, grpc_url: str, arguments: list[str], message: str) -> None:
    done = run("fill", *arguments, "--url", grpc_url)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith(message)


def test_a_broken_pipe_ends_the_run_quietly(start: Start, grpc_url: str, texts_file: Texts) -> None:
    process = start("fill", "--input", texts_file(3000), "--json", "--url", grpc_url)
    assert process.stdout
    assert process.stderr
    assert process.stdout.readline().startswith('{"line": 1, ')
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(30) == 1


@pytest.mark.parametrize(
    ("content", "reasons"),
    [
        ("[MASK]" * 40 + "\n" + "京[MASK]" * 25 + f"\n{ONE}\n", "2 failed (2 too long: --truncate)"),
        (f"没有\n{ONE}\n", "1 failed (line 1: the text has no [MASK])"),
        (f"{ONE}\n没有\n[mask]\n", "2 failed (2 lines, such as line 2: the text has no [MASK])"),
    ],
)
def test_the_summary_says_why_lines_failed(run: Run, grpc_url: str, tmp_path: Path, content: str, reasons: str) -> None:
    source = tmp_path / "texts.txt"
    source.write_text(content, encoding="utf-8")
    done = run("fill", "--input", source, "--output", tmp_path / "answers.jsonl", "--url", grpc_url)
    assert done.returncode == 3
    assert done.stderr.startswith(f"bert-mlm: {content.count(chr(10))} lines, {reasons}; ")


def test_a_csv_file_is_read_by_name_and_never_asked_as_text(
    run: Run, grpc_url: str, tmp_path: Path, model: ScriptedModel
) -> None:
    source, output = tmp_path / "texts.csv", tmp_path / "answers.jsonl"
    source.write_text(f'id,标题\n1,"{ONE}"\n2,"今天,[MASK]"\n', encoding="utf-8-sig")
    done = run("fill", "--input", source, "--output", output, "--url", grpc_url)
    assert (done.returncode, model.requests("fill_mask")) == (1, [])
    assert "the first line has no column named 'text' but 'id', '标题'; name one with --column" in done.stderr
    arguments = ["fill", "--input", source, "--output", output, "--url", grpc_url, "--column", "标题"]
    assert run(*arguments).returncode == 0
    found = documents(output.read_text(encoding="utf-8"))
    assert [(each["line"], each["id"], each["标题"]) for each in found] == [(2, "1", ONE), (3, "2", "今天,[MASK]")]
    assert run(*arguments, "--resume").returncode == 0


def test_csv_from_a_pipe_needs_the_format_option(run: Run, grpc_url: str, served_url: str) -> None:
    done = run("fill", "--format", "csv", "--url", grpc_url, given=f"text\n{ONE}\n")
    assert [each["text"] for each in documents(done.stdout)] == [ONE]
    done = run("similarity", "--format", "csv", "--url", served_url, given="b,a\n春风,夜雨\n")
    assert [(each["a"], each["b"]) for each in documents(done.stdout)] == [("夜雨", "春风")]
    done = run("score", "--format", "csv", "--url", served_url, given="text,1,2\n床前[MASK]月,明,春\n")
    assert [len(each["answer"]) for each in documents(done.stdout)] == [2]


@pytest.mark.parametrize("content", ['[\n {"text": "今天[MASK]"}\n]\n', '["今天[MASK]"]\n'])
def test_a_json_array_is_never_asked_as_text(
    run: Run, grpc_url: str, tmp_path: Path, model: ScriptedModel, content: str
) -> None:
    source = tmp_path / "texts.json"
    source.write_text(content, encoding="utf-8")
    done = run("fill", "--input", source, "--url", grpc_url)
    assert (done.returncode, done.stdout, model.requests("fill_mask")) == (1, "", [])
    assert "line 1 starts a JSON array; write one JSON object a line" in done.stderr
