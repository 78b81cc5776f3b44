"""Wrong usage, errors and help of the command."""

import re
import shlex

import bert_mlm_client
import pytest
from bert_mlm_client.cli.parser import build_parser
from bert_mlm_client.cli.verbs import COMMANDS

from tests.client.cli.in_process import call
from tests.client.cli.process import Run, Start

ONE = "中国的首[MASK]是北京。"
WHERE = "床前明月[MASK]，疑是地上霜。"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["没有"], "the text has no [MASK]"),
        ([ONE, "[mask]"], "text 2 of 2: the text has '[mask]'"),
        ([ONE, "--top-k", "99"], "--top-k is 99, this model answers with 20"),
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
        (["--url", "grpc://a:1", "fill", ONE], "--url belongs after the command: fill, score, similarity, features"),
        (["fill"], "give a text, or lines by --input or a pipe"),
        (["fill", ONE, "--top-k", "many"], "argument --top-k: 'many' is not a whole number"),
        (["fill", ONE, "--top-k", "0"], "0 is less than 1"),
        (["guess", ONE], "there is no command 'guess'; the commands are fill, score, similarity, features, explain"),
        (["fill", ONE, "--js"], "unrecognized arguments: --js\n"),
        (["fill", "-[MASK]度"], "unrecognized arguments: -[MASK]度; put -- before a text that starts with -"),
        (["fill", "--targets", "都", "府", ONE], f"--targets took the text {ONE} as a word; put the text before"),
        (["fill", "--targets", "都", "府"], "--targets took all words after it: put the text before --targets, or --"),
        (["fill", ONE, "--output", ""], "argument -o/--output: the name is empty"),
        (["fill", "--input", ""], "argument -i/--input: the name is empty"),
        (["fill", ONE, "--input", "lines.txt"], "give texts or --input, not both"),
        (["fill", ONE, "--joint", "--targets", "京"], "cannot be combined with --joint and --skip-punctuation"),
        (["similarity", ONE], "give two texts to compare, not 1"),
        (["score", ONE], "give at least one candidate after the text"),
        (["similarity", "--input", "lines.txt", "--format", "plain"], "use --format csv, tsv or jsonl"),
        (["fill", "--input", "lines.txt", "--field", "a", "--column", "1"], "give one of them"),
        (["fill", "--input", "lines.tsv", "--format", "tsv", "--field", "a"], "--field is for --format jsonl"),
        (["fill", "--input", "lines.tsv", "--column", "1", "--column", "2"], "fill needs 1 of them, not 2"),
        (["similarity", "--input", "lines.jsonl", "--field", "a"], "similarity needs 2 of them, not 1"),
        (["classify", "一"], "the following arguments are required: --model"),
        (["classify", "一", "--model", "genre", "--top-k", "most"], "argument --top-k: 'most' is not a whole number"),
        (["classify", "一", "二", "--model", "genre", "--text-pair", "三"], "--text-pair belongs to one text, not 2"),
        (["classify", "-", "--model", "genre", "--text-pair", "三"], "name the second field or column of the lines"),
        (["fill", ONE, "--json", "--table"], "--table: not allowed with argument --json"),
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


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("similar-ity", "similarity"),
        ("simular", "similarity"),
        ("semantic_similarity", "similarity"),
        ("sentence-similarity", "similarity"),
        ("fill-mask", "fill"),
        ("mask_prediction", "fill"),
        ("Fill", "fill"),
        ("predict", "fill"),
        ("feature-extraction", "features"),
        ("embeddings", "features"),
        ("text-classification", "classify"),
        ("text_classification", "classify"),
        ("clasify", "classify"),
        ("token_scoring", "score"),
        ("explanation", "explain"),
        ("stats", "status"),
        (ONE, "fill TEXT"),
    ],
)
def test_an_unknown_command_suggests_the_nearest(run: Run, name: str, meant: str) -> None:
    done = run(name, "--url", "grpc://127.0.0.1:8500")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith(f"error: there is no command {name!r}; did you mean bert-mlm {meant}?\n")


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)])
def test_every_help_has_an_example_that_parses(command: tuple[str, ...]) -> None:
    shown = call(*command, "--help").stdout
    examples = re.findall(r"^  (?:eval \"\$\()?bert-mlm ([^)\n]*)(?:\)\")?$", shown, re.MULTILINE)
    assert examples
    for example in examples:
        assert build_parser().parse_args(shlex.split(example)).command == (command or ("fill",))[0]


def test_two_dashes_end_the_targets_and_the_options(run: Run, served_url: str) -> None:
    for arguments in (["--targets", "光", "风雨", "--", WHERE], ["--", f"-{WHERE}"]):
        assert run("fill", "--url", served_url, *arguments).returncode == 0


def test_the_version_is_the_packages(run: Run) -> None:
    assert run("--version").stdout == f"bert-mlm {bert_mlm_client.__version__}\n"


def test_the_timeout_is_in_seconds(run: Run, silent_port: int) -> None:
    done = run("fill", ONE, "--url", f"grpc://127.0.0.1:{silent_port}", "--timeout", "0.2")
    assert done.returncode == 1
    assert "nothing came back in 0.2 s; check the address and the server's load, or allow more seconds (--timeout)" in (
        done.stderr
    )
