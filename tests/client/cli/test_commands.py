"""The command against scripted and real servers."""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import bert_mlm_client
import numpy as np
import pytest
from bert_mlm_client import Filling, FillMask, Prediction

from tests.client.cli.process import COMMAND, Run, RunWith, Start
from tests.client.scripted import ScriptedModel

ONE = "中国的首[MASK]是北京。"
TWO = "今天[MASK][MASK]很好"
WHERE = "床前明月[MASK]，疑是地上霜。"


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


def test_the_table_shows_score_token_and_sequence(run: Run, grpc_url: str) -> None:
    done = run("fill", ONE, "--url", grpc_url, "--top-k", "2")
    with FillMask(grpc_url) as client:
        expected = client.fill(ONE, top_k=2)
    header, _, *rows = [line.split() for line in done.stdout.splitlines() if line.strip()]
    assert (done.returncode, done.stderr) == (0, "")
    assert header == ["score", "token", "sequence"]
    assert rows == [[f"{each.score:.4f}", each.token_str, each.sequence] for each in expected]


def test_the_table_numbers_several_masks_and_titles_several_texts(run: Run, grpc_url: str) -> None:
    done = run("fill", ONE, TWO, "--url", grpc_url, "--top-k", "2")
    lines = [line.split() for line in done.stdout.splitlines() if line.strip()]
    assert [ONE] in lines
    assert [TWO] in lines
    assert ["mask", "score", "token", "sequence"] in lines
    assert [line[0] for line in lines if len(line) == 4][1:] == ["1", "2"]


def test_brackets_in_a_text_are_not_markup(run: Run, grpc_url: str) -> None:
    done = run("fill", "[red]首[MASK][/red] :smile:", "--url", grpc_url, "--top-k", "1")
    assert done.returncode == 0
    assert "[red]首" in done.stdout
    assert ":smile:" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["没有"], "the text has no [MASK]"),
        ([ONE, "[mask]"], "text 2 of 2: the text has '[mask]'"),
        ([ONE, "--top-k", "99"], "top_k is 99, this model answers with 20"),
        ([ONE, "--model", "bart"], "the server has no such model or version"),
        ([ONE, "--version", "7"], "Specific(bert_mlm, 7)"),
        ([ONE, "--vocab", "/none.txt"], "the vocabulary /none.txt cannot be read"),
        ([ONE, "--url", "localhost:8500"], "the address 'localhost:8500' needs one of grpc://"),
    ],
)
def test_an_error_is_one_line_and_exit_status_1(run: Run, grpc_url: str, arguments: list[str], message: str) -> None:
    done = run("fill", "--url", grpc_url, *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("bert-mlm: ")
    assert done.stderr.count("\n") == 1
    assert message in done.stderr


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_a_server_that_is_down_is_one_line_and_exit_status_1(run_process: Run, refusing_port: int, scheme: str) -> None:
    done = run_process("fill", ONE, "--url", f"{scheme}://127.0.0.1:{refusing_port}")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "check that the server runs and the address" in done.stderr


def test_the_rest_port_given_to_grpc_is_one_line(run_process: Run, rest_url: str) -> None:
    done = run_process("fill", ONE, "--url", rest_url.replace("http", "grpc"))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: COMMAND"),
        (["fill"], "give a text, or lines by --input or a pipe"),
        (["fill", ONE, "--top-k", "many"], "argument --top-k: 'many' is not a whole number"),
        (["fill", ONE, "--top-k", "0"], "0 is less than 1"),
        (["guess", ONE], "invalid choice: 'guess'"),
        (["fill", ONE, "--js"], "unrecognized arguments: --js\n"),
        (["fill", "-[MASK]度"], "unrecognized arguments: -[MASK]度; put -- before a text that starts with -"),
        (["fill", "--targets", "都", "府", ONE], f"--targets took the text {ONE} as a word; put the text before"),
        (["fill", "--targets", "都", "府"], "--targets took all words after it: put the text before --targets, or --"),
        (["fill", ONE, "--output", ""], "argument -o/--output: the name is empty"),
        (["fill", "--input", ""], "argument -i/--input: the name is empty"),
        (["fill", ONE, "--input", "lines.txt"], "give texts or --input, not both"),
        (["fill", ONE, "--joint", "--targets", "京"], "cannot be combined with --joint and --skip-punctuation"),
        (["similar", ONE], "give two texts to compare, not 1"),
        (["score", ONE], "give at least one candidate after the text"),
        (["similar", "--input", "lines.txt", "--format", "plain"], "use --format tsv or jsonl"),
        (["fill", "--input", "lines.txt", "--field", "a", "--column", "1"], "give one of them"),
        (["fill", "--input", "lines.tsv", "--format", "tsv", "--field", "a"], "--field is for --format jsonl"),
        (["fill", "--input", "lines.tsv", "--column", "1", "--column", "2"], "fill needs 1 of them, not 2"),
        (["similar", "--input", "lines.jsonl", "--field", "a"], "similar needs 2 of them, not 1"),
        (["fill", "--input", "lines.tsv", "--column", "0"], "columns are numbered from 1"),
        (["fill", "--input", "lines.tsv", "--column", "00"], "columns are numbered from 1"),
        (["fill", "--input", "lines.txt", "--resume"], "--resume needs --input and --output"),
        (["fill", ONE, "--output", "answers.jsonl", "--resume"], "--resume needs --input and --output"),
        (["fill", "--input", "lines.txt", "--output", "./lines.txt"], "are the same file"),
        (["completion", "powershell"], "invalid choice: 'powershell'"),
    ],
)
def test_wrong_usage_is_exit_status_2(run: Run, arguments: list[str], message: str) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: bert-mlm")
    assert message in done.stderr


def test_a_text_among_the_targets_does_not_wait_for_a_pipe(start: Start) -> None:
    process = start("fill", "--targets", "都", "府", ONE)
    assert process.wait(60) == 2, "the pipe is still open"


def test_two_dashes_end_the_targets_and_the_options(run: Run, served_url: str) -> None:
    for arguments in (["--targets", "光", "风雨", "--", WHERE], ["--", f"-{WHERE}"]):
        assert run("fill", "--url", served_url, *arguments).returncode == 0


@pytest.mark.parametrize(
    ("closing", "arguments", "message"),
    [
        (">&-", ["fill", ONE], "standard output is closed"),
        (">&-", ["status"], "standard output is closed"),
        ("<&-", ["fill", "--input", "-"], "standard input is closed"),
        ("<&-", ["fill", "-"], "standard input is closed"),
        ("<&-", ["fill"], "give a text, or lines by --input or a pipe"),
    ],
)
def test_closing_a_needed_stream_is_a_usage_error(
    run_with: RunWith, closing: str, arguments: list[str], message: str
) -> None:
    done = run_with(closing, *arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert message in done.stderr.decode()


def test_closing_an_unneeded_stream_is_allowed(run_with: RunWith, grpc_url: str, tmp_path: Path) -> None:
    output = tmp_path / "answers.jsonl"
    assert run_with("<&- >&-", "fill", ONE, "--url", grpc_url, "--output", output).returncode == 0
    assert json.loads(output.read_bytes())["text"] == ONE
    assert run_with("2>&-", "fill", ONE, "--url", grpc_url).returncode == 0
    done = run_with("2>&-", "fill", "没有", "--url", grpc_url)
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"")


@pytest.mark.parametrize(
    "locale", [{"PYTHONIOENCODING": "gbk"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}]
)
def test_arguments_tables_errors_and_names_are_utf_8_in_any_locale(
    run_process: Run, grpc_url: str, tmp_path: Path, locale: Mapping[str, str]
) -> None:
    done = run_process("fill", f"😀{ONE}", "--url", grpc_url, **locale)
    assert (done.returncode, done.stderr) == (0, "")
    assert "😀中国的首" in done.stdout
    assert "'［MASK］'" in run_process("fill", "首［MASK］", "--url", grpc_url, **locale).stderr
    assert run_process("fill", ONE, "--url", grpc_url, "--output", tmp_path / "答.jsonl", **locale).returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["答.jsonl"]


def test_only_file_names_may_be_of_another_encoding(
    environment: Mapping[str, str], grpc_url: str, tmp_path: Path
) -> None:
    def fill(*arguments: bytes | str) -> subprocess.CompletedProcess[bytes]:
        command = [*COMMAND, "fill", "--url", grpc_url, *arguments]
        return subprocess.run(command, env=environment, capture_output=True, check=False, timeout=60)

    done = fill("首[MASK]".encode("gbk"))
    assert done.returncode == 2
    assert b"is not UTF-8" in done.stderr
    assert fill(ONE, "--output", os.fsencode(tmp_path) + "/答".encode("gbk")).returncode == 0
    assert [os.fsencode(path.name) for path in tmp_path.iterdir()] == ["答".encode("gbk")]


def test_the_version_is_the_packages(run: Run) -> None:
    assert run("--version").stdout == f"bert-mlm {bert_mlm_client.__version__}\n"


def test_the_timeout_is_in_seconds(run: Run, silent_port: int) -> None:
    done = run("fill", ONE, "--url", f"grpc://127.0.0.1:{silent_port}", "--timeout", "0.2")
    assert done.returncode == 1
    assert "nothing came back in 0.2 s" in done.stderr


@pytest.fixture
def _heeded_interrupts() -> Iterator[None]:
    """Enable SIGINT in subprocesses; a shell ignores it for background jobs."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_heeded_interrupts")
@pytest.mark.parametrize("scheme", ["grpc", "http"])
@pytest.mark.parametrize("command", [["fill", ONE], ["status", "--url", "grpc://127.0.0.1:9"]])
def test_ctrl_c_is_quiet_with_exit_status_130(environment: dict[str, str], scheme: str, command: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
        with subprocess.Popen(
            [*COMMAND, *command, "--url", url, "--timeout", "60"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        ) as process:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1)
                started = time.monotonic()
                process.send_signal(signal.SIGINT)
                output = process.communicate(timeout=30)
    assert time.monotonic() - started < 10
    assert (process.returncode, *output) == (130, b"", b"")


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_a_broken_pipe_prints_no_traceback(environment: dict[str, str], grpc_url: str, arguments: list[str]) -> None:
    with subprocess.Popen(
        [*COMMAND, "fill", ONE, "--url", grpc_url, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_main_can_be_called_with_arguments(
    grpc_url: str, model: ScriptedModel, capsys: pytest.CaptureFixture[str]
) -> None:
    from bert_mlm_client.cli import main

    assert main(["fill", ONE, "--url", grpc_url, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 5
    assert model.requests("fill_mask")


def test_score_compares_words_of_any_length_in_the_order_given(run: Run, served_url: str) -> None:
    words = ["光", "风雨", "花"]
    with FillMask(served_url) as client:
        expected = client.score(WHERE, words)
    done = run("score", WHERE, *words, "--url", served_url, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == as_json(expected)
    table = run("score", WHERE, *words, "--url", served_url).stdout
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
    assert expected[0].token_str in run("fill", WHERE, "--url", served_url, *arguments).stdout


def test_truncate_keeps_the_text_around_the_mask(run: Run, served_url: str) -> None:
    long = "风" * 80 + WHERE
    assert "with [CLS] and [SEP]" in run("fill", long, "--url", served_url).stderr
    done = run("fill", long, "--url", served_url, "--truncate", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)[0]["sequence"].startswith("风风")


def test_similar_names_its_measure(run: Run, served_url: str) -> None:
    with FillMask(served_url) as client:
        expected = client.similarity("今天天气真好", "床前明月光")
    arguments = ["similar", "今天天气真好", "床前明月光", "--url", served_url]
    assert json.loads(run(*arguments, "--json").stdout) == as_json(expected)
    table = run(*arguments).stdout
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
    table = run("features", "今天天气真好", "--url", served_url).stdout
    assert f"{float(np.linalg.norm(expected.mean)):.4f}" in table


@pytest.mark.parametrize("method", ["occlusion", "attention"])
def test_explain_shows_every_tokens_weight_in_the_texts_order(run: Run, served_url: str, method: str) -> None:
    with FillMask(served_url) as client:
        [expected] = client.explain(WHERE, method=method)  # type: ignore[arg-type]  # one of two literals
    arguments = ["explain", WHERE, "--method", method, "--url", served_url]
    assert json.loads(run(*arguments, "--json").stdout) == as_json(expected)
    first, _, _, *rows = [line.split() for line in run(*arguments).stdout.splitlines() if line.strip()]
    assert first[0] == expected.prediction.token_str
    assert [row[:2] for row in rows] == [[f"{each.weight:+.4f}", each.token_str] for each in expected.weights]


def test_explain_takes_the_words_to_explain(run: Run, served_url: str) -> None:
    arguments = ["explain", "[MASK]前明[MASK][MASK]", "--target", "床", "--target", "月光", "--url", served_url]
    with FillMask(served_url) as client:
        for more, is_joint in (([], False), (["--joint"], True)):
            expected = client.explain(arguments[1], target=["床", "月光"], joint=is_joint)
            assert json.loads(run(*arguments, *more, "--json").stdout) == as_json(expected)
            shown = run(*arguments, *more).stdout
            assert all(one.prediction.sequence in shown for one in expected)


def test_a_target_that_cannot_be_explained_is_one_line_on_standard_error(run: Run, served_url: str) -> None:
    done = run("explain", WHERE, "--target", "月光", "--url", served_url)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(
        "bert-mlm: the target '月光' has 2 tokens for 1 [MASK]; give it 2 [MASK]s side by side"
    )
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_status_lists_each_version_and_its_readiness(run: Run, served_url: str, arguments: list[str]) -> None:
    done = run("status", "--url", served_url, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert "AVAILABLE" in done.stdout
    if arguments:
        assert json.loads(done.stdout) == {
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

    done = status(down, url)
    _, _, *rows = [line.split() for line in done.stdout.splitlines() if line.strip()]
    assert (done.returncode, done.stderr) == (1, "")
    assert rows[0][:3] == [down, "no", "connection:"]
    assert rows[1] == [url, "1", "AVAILABLE"]
    done = status(down, url, more=["--json"])
    first, second = json.loads(done.stdout)
    assert (done.returncode, first["address"], first["error_type"]) == (1, down, "UnreachableError")
    assert second["address"] == url
    assert second["versions"][0]["state"] == "AVAILABLE"
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


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["fill", "--help"], ["completion", "bash"]])
def test_commands_without_requests_import_no_heavy_library(environment: dict[str, str], arguments: list[str]) -> None:
    program = (
        "import atexit, sys; from bert_mlm_client.cli import main; "
        "atexit.register(lambda: print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)); "
        f"sys.exit(main({arguments!r}))"
    )
    done = subprocess.run(
        [COMMAND[0], "-c", program], env=environment, capture_output=True, encoding="utf-8", check=True, timeout=60
    )
    assert not set(done.stderr.split()) & {"grpc", "google", "httpcore2", "numpy", "rich", "tokenizers"}


TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize("given", [None, f"{ONE}\n{TWO}\n"])
def test_the_callers_trace_is_passed_on(run: Run, url: str, model: ScriptedModel, given: str | None) -> None:
    texts = [ONE] if given is None else []
    assert run("fill", *texts, "--url", url, given=given, TRACEPARENT=TRACE, TRACESTATE="a=b").returncode == 0
    assert {asked.headers.get("traceparent") for asked in model.asked} == {TRACE}
    assert {asked.headers.get("tracestate") for asked in model.asked} == {"a=b"}


def test_an_invalid_trace_is_ignored(run: Run, grpc_url: str, model: ScriptedModel) -> None:
    assert run("fill", ONE, "--url", grpc_url, TRACEPARENT="nonsense").returncode == 0
    assert {asked.headers.get("traceparent") for asked in model.asked} == {None}
