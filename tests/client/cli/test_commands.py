"""Answers of the command, from scripted and real servers."""

import json
import os
import pty
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import asdict

import numpy as np
import pytest
from bert_mlm_client import Filling, FillMask, Prediction

from tests.client.cli.process import COMMAND, Run
from tests.client.scripted import ScriptedModel

ONE = "中国的首[MASK]是北京。"
TWO = "今天[MASK][MASK]很好"
WHERE = "床前明月[MASK]，疑是地上霜。"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def as_json(answer: object) -> object:
    return json.loads(json.dumps(answer, default=asdict))


def test_json_of_one_text_is_the_list_of_its_candidates(run: Run, url: str) -> None:
    done = run("fill", ONE, "--url", url, "--top-k", "3", "--json")
    with FillMask(url) as client:
        expected = client.fill(ONE, top_k=3)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == as_json(expected)
    assert list(json.loads(done.stdout)[0]) == ["score", "token", "token_str", "sequence"]


def test_json_of_several_texts_is_a_list_of_that_and_of_several_masks_nested(run: Run, url: str) -> None:
    done = run("fill", ONE, TWO, "--url", url, "--json")
    with FillMask(url) as client:
        assert json.loads(done.stdout) == as_json([client.fill(ONE), client.fill_masks(TWO)])


def test_json_is_unescaped_utf_8_in_any_locale(run_process: Run, grpc_url: str) -> None:
    done = run_process("fill", ONE, "--url", grpc_url, "--json", PYTHONIOENCODING="ascii", LC_ALL="C")
    assert "中国的首" in done.stdout


def test_without_a_terminal_the_answers_are_json_lines(run: Run, grpc_url: str) -> None:
    done = run("fill", ONE, TWO, "--url", grpc_url)
    with FillMask(grpc_url) as client:
        expected = as_json([client.fill(ONE), client.fill_masks(TWO)])
    assert isinstance(expected, list)
    assert (done.returncode, done.stderr) == (0, "")
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"line": number, "text": text, "answer": answer}
        for number, (text, answer) in enumerate(zip((ONE, TWO), expected, strict=True), 1)
    ]


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_on_a_terminal_the_default_is_a_table(environment: dict[str, str], grpc_url: str, arguments: list[str]) -> None:
    ours, theirs = pty.openpty()
    command = [*COMMAND, "fill", ONE, "--url", grpc_url, *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=theirs, env={**environment, "TERM": "dumb"}
    ) as process:
        os.close(theirs)
        with open(ours, encoding="utf-8") as terminal:  # noqa: PTH123 - a descriptor
            shown = terminal.readline()
            process.wait(60)
    assert shown.split() == (["["] if arguments else ["score", "token", "sequence"])


def test_a_table_in_a_pipe_is_not_wrapped(run: Run, grpc_url: str) -> None:
    text = "天气" * 60 + "[MASK]"
    shown = run("fill", text[-30:], f"[MASK]{'!' * 20}", "--url", grpc_url, "--top-k", "1", "--table").stdout
    assert len([line for line in shown.splitlines() if "!!!" in line]) == 2
    assert all(line.count("!") in {0, 20} for line in shown.splitlines())


def test_the_table_shows_score_token_and_sequence(run: Run, grpc_url: str) -> None:
    done = run("fill", ONE, "--url", grpc_url, "--top-k", "2", "--table")
    with FillMask(grpc_url) as client:
        expected = client.fill(ONE, top_k=2)
    header, _, *rows = [line.split() for line in done.stdout.splitlines() if line.strip()]
    assert (done.returncode, done.stderr) == (0, "")
    assert header == ["score", "token", "sequence"]
    assert rows == [[f"{each.score:.4f}", each.token_str, each.sequence] for each in expected]


def test_the_table_numbers_several_masks_and_titles_several_texts(run: Run, grpc_url: str) -> None:
    done = run("fill", ONE, TWO, "--url", grpc_url, "--top-k", "2", "--table")
    lines = [line.split() for line in done.stdout.splitlines() if line.strip()]
    assert [ONE] in lines
    assert [TWO] in lines
    assert ["mask", "score", "token", "sequence"] in lines
    assert [line[0] for line in lines if len(line) == 4][1:] == ["1", "2"]


def test_brackets_in_a_text_are_not_markup(run: Run, grpc_url: str) -> None:
    done = run("fill", "[red]首[MASK][/red] :smile:", "--url", grpc_url, "--top-k", "1", "--table")
    assert done.returncode == 0
    assert "[red]首" in done.stdout
    assert ":smile:" in done.stdout


def test_score_compares_words_of_any_length_in_the_order_given(run: Run, served_url: str) -> None:
    words = ["光", "风雨", "花"]
    with FillMask(served_url) as client:
        expected = client.score(WHERE, words)
    done = run("score", WHERE, *words, "--url", served_url, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == as_json(expected)
    table = run("score", WHERE, *words, "--url", served_url, "--table").stdout
    rows = [line.split() for line in table.splitlines() if line.strip()][2:]
    assert rows == [[f"{each.score:.4f}", each.token_str, each.sequence] for each in expected]


@pytest.mark.parametrize(
    ("arguments", "ask"),
    [
        (["--targets", "光", "风雨"], lambda client: client.choose(WHERE, ["光", "风雨"])),
        (["--joint", "--top-k", "2"], lambda client: client.fill_words(WHERE, 2)),
        (["--skip-punctuation", "--top-k", "3"], lambda client: client.fill(WHERE, 3, skip_punctuation=True)),
    ],
)
def test_fill_has_the_options_of_the_library(
    run: Run, served_url: str, arguments: list[str], ask: Callable[[FillMask], Sequence[Prediction | Filling]]
) -> None:
    with FillMask(served_url) as client:
        expected = ask(client)
    done = run("fill", WHERE, "--url", served_url, "--json", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == as_json(expected)
    assert expected[0].token_str in run("fill", WHERE, "--url", served_url, "--table", *arguments).stdout


def test_truncate_keeps_the_text_around_the_mask(run: Run, served_url: str) -> None:
    long = "风" * 80 + WHERE
    told = run("fill", long, "--url", served_url).stderr
    assert "shorten it, or keep the part around the masks with --truncate" in told
    assert "truncate=True" not in told
    done = run("fill", long, "--url", served_url, "--truncate", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)[0]["sequence"].startswith("风风")


def test_similar_names_its_measure(run: Run, served_url: str) -> None:
    with FillMask(served_url) as client:
        expected = client.similarity("今天天气真好", "床前明月光")
    arguments = ["similarity", "今天天气真好", "床前明月光", "--url", served_url]
    assert json.loads(run(*arguments, "--json").stdout) == as_json(expected)
    assert json.loads(run("similar", *arguments[1:], "--json").stdout) == as_json(expected)
    table = run(*arguments, "--table").stdout
    assert expected.measure in table
    assert [f"{expected.score:.4f}", "今天天气真好", "床前明月光"] in [line.split() for line in table.splitlines()]


def test_features_are_the_librarys_to_seven_decimals(run: Run, served_url: str) -> None:
    with FillMask(served_url) as client:
        expected = client.features("今天天气真好")
    done = run("features", "今天天气真好", "--url", served_url, "--json")
    answer = json.loads(done.stdout)
    assert list(answer) == ["text", "cls", "mean", "whitened"]
    for name in ("cls", "mean", "whitened"):
        vector = getattr(expected, name)
        assert (answer[name] is None) is (vector is None)
        assert vector is None or np.allclose(answer[name], vector, rtol=0, atol=6e-8)
    table = run("features", "今天天气真好", "--url", served_url, "--table").stdout
    assert f"{float(np.linalg.norm(expected.mean)):.4f}" in table


@pytest.mark.parametrize("method", ["occlusion", "attention"])
def test_explain_shows_every_tokens_weight_in_the_texts_order(run: Run, served_url: str, method: str) -> None:
    with FillMask(served_url) as client:
        [expected] = client.explain(WHERE, method=method)  # type: ignore[arg-type]  # one of two literals
    arguments = ["explain", WHERE, "--method", method, "--url", served_url]
    assert json.loads(run(*arguments, "--json").stdout) == as_json(expected)
    first, _, _, *rows = [line.split() for line in run(*arguments, "--table").stdout.splitlines() if line.strip()]
    assert first[0] == expected.prediction.token_str
    assert [row[:2] for row in rows] == [[f"{each.weight:+.4f}", each.token_str] for each in expected.weights]


def test_explain_takes_the_words_to_explain(run: Run, served_url: str) -> None:
    arguments = ["explain", "[MASK]前明[MASK][MASK]", "--target", "床", "--target", "月光", "--url", served_url]
    with FillMask(served_url) as client:
        for more, is_joint in (([], False), (["--joint"], True)):
            expected = client.explain(arguments[1], target=["床", "月光"], joint=is_joint)
            assert json.loads(run(*arguments, *more, "--json").stdout) == as_json(expected)
            shown = run(*arguments, *more, "--table").stdout
            assert all(one.prediction.sequence in shown for one in expected)


def test_a_target_that_cannot_be_explained_is_one_line_on_standard_error(run: Run, served_url: str) -> None:
    done = run("explain", WHERE, "--target", "月光", "--url", served_url)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(
        "bert-mlm: the target '月光' has 2 tokens for 1 [MASK]; give it 2 [MASK]s side by side"
    )
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["--json"], ["--table"]])
def test_status_lists_each_version_and_its_readiness(run: Run, served_url: str, arguments: list[str]) -> None:
    done = run("status", "--url", served_url, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert "AVAILABLE" in done.stdout
    if arguments != ["--table"]:
        where = {} if arguments else {"address": served_url}
        assert json.loads(done.stdout) == {
            **where,
            "model": "bert_mlm",
            "versions": [{"version": 1, "state": "AVAILABLE", "error_code": "OK", "error_message": ""}],
        }
    missing = run("status", "--url", served_url, "--model", "bart", *arguments)
    assert (missing.returncode, missing.stdout, missing.stderr.count("\n")) == (1, "", 1)


@pytest.mark.parametrize("from_environment", [False, True])
def test_status_of_several_servers_fails_if_one_does(
    run: Run, url: str, model: ScriptedModel, refusing_port: int, from_environment: bool
) -> None:
    down = f"grpc://127.0.0.1:{refusing_port}"

    def status(*addresses: str, more: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        if from_environment:
            return run("status", *more, BERT_MLM_URL=" ".join(addresses), COLUMNS="500")
        return run("status", *more, *(f"--url={address}" for address in addresses), COLUMNS="500")

    done = status(down, url, more=["--table"])
    _, _, *rows = [line.split() for line in done.stdout.splitlines() if line.strip()]
    assert (done.returncode, done.stderr) == (1, "")
    assert rows[0][:3] == [down, "no", "connection:"]
    assert rows[1] == [url, "1", "AVAILABLE"]
    done = status(down, url, more=["--json"])
    first, second = json.loads(done.stdout)
    assert (done.returncode, first["address"], first["error_type"]) == (1, down, "UnreachableError")
    assert second["address"] == url
    assert second["versions"][0]["state"] == "AVAILABLE"
    assert [json.loads(line)["address"] for line in status(down, url).stdout.splitlines()] == [down, url]
    assert status(url, url).returncode == 0
    model.state = "LOADING"
    assert (status(url).returncode, status(url, url).returncode) == (1, 1)


def test_addresses_may_come_from_the_environment(run: Run, grpc_url: str, refusing_port: int) -> None:
    assert run("fill", ONE, BERT_MLM_URL=grpc_url).returncode == 0
    down = f"grpc://127.0.0.1:{refusing_port}"
    assert run("fill", ONE, BERT_MLM_URL=down).returncode == 1
    assert run("fill", ONE, "--url", grpc_url, BERT_MLM_URL=down).returncode == 0
    assert run("fill", ONE, BERT_MLM_URL=f"{down} {grpc_url}").returncode == 0
    assert run("fill", ONE, "--url", down, "--url", grpc_url).returncode == 0


@pytest.mark.parametrize("given", [None, f"{ONE}\n{TWO}\n"])
def test_the_callers_trace_is_passed_on(run: Run, url: str, model: ScriptedModel, given: str | None) -> None:
    texts = [ONE] if given is None else []
    assert run("fill", *texts, "--url", url, given=given, TRACEPARENT=TRACE, TRACESTATE="a=b").returncode == 0
    assert {asked.headers.get("traceparent") for asked in model.asked} == {TRACE}
    assert {asked.headers.get("tracestate") for asked in model.asked} == {"a=b"}


def test_an_invalid_trace_is_ignored(run: Run, grpc_url: str, model: ScriptedModel) -> None:
    assert run("fill", ONE, "--url", grpc_url, TRACEPARENT="nonsense").returncode == 0
    assert {asked.headers.get("traceparent") for asked in model.asked} == {None}
