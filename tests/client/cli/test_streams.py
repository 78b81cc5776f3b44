"""Streams, signals, encodings and imports of the command."""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.client.cli.process import COMMAND, Run, RunWith
from tests.client.scripted import ScriptedModel

ONE = "中国的首[MASK]是北京。"


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
