"""Interrupted and resumed runs have every line once and in order."""

import array
import fcntl
import json
import signal
import subprocess
import termios
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import pytest
from bert_mlm_client.bulk import WINDOW
from bert_mlm_client.wire.tensors import Array

from tests.client.cli.process import COMMAND, Run, Start, Texts, sentences
from tests.client.scripted import Asked, Refusal, ScriptedModel, grpc_server
from tests.support.waiting import wait_until

LINES = 6 * WINDOW


@dataclass(slots=True)
class GatedModel(ScriptedModel):
    """A model that blocks after some rows until its gate opens."""

    rows: int = 3 * WINDOW
    gate: threading.Event = field(default_factory=threading.Event)
    reached: threading.Event = field(default_factory=threading.Event)

    def predict(self, asked: Asked) -> dict[str, Array]:
        if asked.signature == "fill_mask":
            self.rows -= len(asked.inputs["lengths"])
            if self.rows < 0:
                self.reached.set()
                self.gate.wait(60)
        return ScriptedModel.predict(self, asked)


@pytest.fixture
def model() -> Iterator[GatedModel]:
    model = GatedModel()
    yield model
    model.gate.set()


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "answers.jsonl"


@pytest.fixture
def kill(start: Start, arguments: list[str], output: Path, model: GatedModel) -> Callable[[], bytes]:
    """Kill a waiting run and return its written lines."""

    def start_and_kill() -> bytes:
        process = start(*arguments)
        assert model.reached.wait(60)
        wait_until(lambda: output.exists() and output.read_bytes().count(b"\n") >= WINDOW)
        process.kill()
        process.wait(30)
        model.gate.set()
        return output.read_bytes()

    return start_and_kill


@pytest.fixture
def arguments(texts_file: Texts, output: Path, grpc_url: str) -> list[str]:
    return ["fill", "--input", str(texts_file(LINES)), "--output", str(output), "--url", grpc_url]


def check_complete(output: Path, count: int = LINES) -> None:
    """Check that all lines are complete, once and in order."""
    found = [json.loads(line) for line in output.read_bytes().split(b"\n")[:-1]]
    assert [(each["line"], each["text"]) for each in found] == list(enumerate(sentences(count), 1))
    assert all(len(each["answer"]) == 5 for each in found)
    assert not output.with_name("answers.jsonl.resume").exists()


def test_a_killed_run_resumes_where_its_output_ends(
    run: Run, kill: Callable[[], bytes], arguments: list[str], output: Path
) -> None:
    before = kill()
    lines = before.count(b"\n")
    assert WINDOW <= lines < LINES
    assert output.with_name("answers.jsonl.resume").exists()
    model = ScriptedModel()  # a second server, because requests of the killed run may still reach the first
    with grpc_server(model) as url:
        done = run(*arguments[:-1], url, "--resume")
    assert (done.returncode, done.stderr.partition(";")[0]) == (0, f"bert-mlm: {LINES:,} lines, 0 failed")
    check_complete(output)
    assert output.read_bytes().startswith(before), "what was there is left alone"
    assert sum(len(each.inputs["lengths"]) for each in model.requests("fill_mask")) == LINES - lines


@pytest.mark.parametrize("torn", [1, 100])
def test_a_torn_line_is_rewritten(
    run: Run, kill: Callable[[], bytes], arguments: list[str], output: Path, torn: int
) -> None:
    output.write_bytes(kill()[:-torn])
    assert run(*arguments, "--resume").returncode == 0
    check_complete(output)


def test_ctrl_c_finishes_read_lines_and_names_resume(
    run: Run, start: Start, arguments: list[str], output: Path, model: GatedModel
) -> None:
    process = start(*arguments)
    assert model.reached.wait(60)
    process.send_signal(signal.SIGINT)
    assert process.stderr
    assert process.stderr.readline() == "bert-mlm: finishing the lines already read; press Ctrl-C again to quit\n"
    model.gate.set()
    _, told = process.communicate(timeout=60)
    lines = output.read_bytes().count(b"\n")
    assert process.returncode == 130
    assert told == f"bert-mlm: {lines:,} lines in {output}; run the same command with --resume to continue\n"
    assert lines % WINDOW == 0
    assert 3 * WINDOW <= lines < LINES
    model.asked.clear()
    assert run(*arguments, "--resume").returncode == 0
    check_complete(output)
    assert sum(len(each.inputs["lengths"]) for each in model.requests("fill_mask")) == LINES - lines


@pytest.mark.parametrize("scheme", ["grpc", "rest"])
def test_a_second_ctrl_c_ends_at_once(
    start: Start, request: pytest.FixtureRequest, arguments: list[str], model: GatedModel, scheme: str
) -> None:
    process = start(*arguments[:-1], request.getfixturevalue(f"{scheme}_url"))
    assert model.reached.wait(60)
    process.send_signal(signal.SIGINT)
    assert process.stderr
    process.stderr.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130, "the gate is still closed, and would be for a minute"
    assert process.stderr.read() == ""


def test_ctrl_c_while_reading_a_pipe_finishes_read_lines(start: Start, grpc_url: str) -> None:
    process = start("fill", "--json", "--url", grpc_url)
    assert process.stdin
    process.stdin.write("今天[MASK]\n")
    process.stdin.flush()
    wait_until(lambda: unread(process.stdin) == 0)
    process.send_signal(signal.SIGINT)
    assert process.stderr
    assert process.stderr.readline().startswith("bert-mlm: finishing")
    assert process.stdout
    assert process.stdout.readline().startswith('{"line": 1, ')
    assert process.wait(30) == 130
    assert process.stderr.read() == "bert-mlm: 1 line answered\n"


def unread(pipe: IO[str] | None) -> int:
    """Return the number of unread bytes in a pipe."""
    assert pipe
    waiting = array.array("i", [0])
    fcntl.ioctl(pipe.fileno(), termios.FIONREAD, waiting)
    return waiting[0]


def test_a_server_failure_keeps_the_output_and_names_resume(
    run: Run, start: Start, arguments: list[str], output: Path, model: GatedModel
) -> None:
    process = start(*arguments)
    assert model.reached.wait(60)
    model.refusal = Refusal("the model burns", "INTERNAL")
    model.gate.set()
    _, told = process.communicate(timeout=60)
    lines = output.read_bytes().count(b"\n")
    assert process.returncode == 1
    assert "the model burns" in told
    assert told.endswith(f"; {lines:,} lines in {output}; run the same command with --resume to continue\n")
    assert told.count("\n") == 1
    model.refusal = None
    assert run(*arguments, "--resume").returncode == 0
    check_complete(output)


def test_resume_without_an_output_starts_a_run(run: Run, arguments: list[str], output: Path, model: GatedModel) -> None:
    model.gate.set()
    assert run(*arguments, "--resume").returncode == 0
    check_complete(output)


def test_resume_counts_earlier_failures(
    run: Run, kill: Callable[[], bytes], texts_file: Texts, arguments: list[str], output: Path
) -> None:
    source = texts_file(LINES)
    source.write_text("没有\n\n" + source.read_text(encoding="utf-8"), encoding="utf-8")
    kill()
    done = run(*arguments, "--resume")
    assert (done.returncode, done.stderr.partition(";")[0]) == (3, f"bert-mlm: {LINES + 1:,} lines, 1 failed")
    found = [json.loads(line)["line"] for line in output.read_bytes().split(b"\n")[:-1]]
    assert found == [1, *range(3, LINES + 3)]


OTHERS = {
    ("--top-k", "3"): "was started with --top-k 5; use the same",
    ("--truncate", "--targets", "京", "都"): "was started without --targets, without --truncate; use the same",
    ("--joint", "--top-k", "2"): "was started without --joint, with --top-k 5; use the same",
}


def test_resume_with_other_options_is_rejected(
    run: Run, arguments: list[str], output: Path, kill: Callable[[], bytes]
) -> None:
    unfinished = kill()
    for more, message in OTHERS.items():
        done = run(*arguments, "--resume", *more)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert message in done.stderr
        assert output.read_bytes() == unfinished


def test_a_damaged_options_file_is_reported(run: Run, arguments: list[str], output: Path) -> None:
    output.write_text('{"line": 1, "text": "", "answer": []}\n', encoding="utf-8")
    sidecar = output.with_name("answers.jsonl.resume")
    sidecar.write_text("[]", encoding="utf-8")
    assert f"{sidecar} is damaged; remove it to start over" in run(*arguments, "--resume").stderr


def test_resume_with_another_input_or_output_is_rejected(
    run: Run, texts_file: Texts, arguments: list[str], output: Path, kill: Callable[[], bytes]
) -> None:
    unfinished = kill()
    with texts_file(LINES).open("a", encoding="utf-8") as file:
        file.write("一[MASK]\n")
    assert "was started with another input" in run(*arguments, "--resume").stderr
    texts_file(LINES)
    output.write_bytes(unfinished.replace(b'"line": 2,', b'"line": 1,', 1))
    done = run(*arguments, "--resume")
    assert done.returncode == 1
    assert f"line 2 of {output} was not written by this command" in done.stderr


def test_resume_may_use_another_server_and_other_workers(
    run: Run, arguments: list[str], kill: Callable[[], bytes], rest_url: str, output: Path
) -> None:
    kill()
    assert run(*arguments[:-1], rest_url, "--resume", "--workers", "2").returncode == 0
    check_complete(output)


def test_resume_of_a_pipe_is_rejected(run_process: Run, arguments: list[str], output: Path) -> None:
    output.write_text("something else\n", encoding="utf-8")
    done = run_process("fill", "--input", "/dev/stdin", *arguments[3:], "--resume", given="一[MASK]\n")
    assert done.returncode == 1
    assert "--resume needs regular files as input and output" in done.stderr
    assert output.read_text(encoding="utf-8") == "something else\n"


def test_an_unfinished_output_is_not_overwritten(
    run: Run, arguments: list[str], output: Path, kill: Callable[[], bytes]
) -> None:
    unfinished = kill()
    for done in (run(*arguments), run("fill", *arguments[3:], given="一[MASK]\n")):
        assert done.returncode == 1
        assert "continue with --resume, or remove" in done.stderr
        assert output.read_bytes() == unfinished
    output.with_name("answers.jsonl.resume").unlink()
    assert run(*arguments).returncode == 0
    check_complete(output)


def test_resuming_a_complete_output_succeeds_and_asks_nothing(
    run: Run, arguments: list[str], output: Path, model: GatedModel
) -> None:
    model.gate.set()
    assert run(*arguments).returncode == 0
    before = output.read_bytes()
    model.asked.clear()
    done = run(*arguments, "--resume")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"bert-mlm: {output} is complete: {LINES:,} lines, 0 failed\n"
    assert (output.read_bytes(), model.asked) == (before, [])
    assert run(*arguments).returncode == 0
    check_complete(output)


def test_resuming_a_complete_output_with_failed_lines_has_their_status(
    run: Run, arguments: list[str], texts_file: Texts, output: Path, model: GatedModel
) -> None:
    model.gate.set()
    texts_file(LINES).write_text("今天[MASK]\n\n没有\n", encoding="utf-8")
    assert run(*arguments).returncode == 3
    done = run(*arguments, "--resume")
    assert (done.returncode, done.stderr) == (3, f"bert-mlm: {output} is complete: 2 lines, 1 failed\n")


@pytest.mark.usefixtures("_open_gate")
@pytest.mark.parametrize("change", ["input", "output", "end", "answer"])
def test_an_output_of_another_input_is_not_complete(
    run: Run, arguments: list[str], texts_file: Texts, output: Path, change: str
) -> None:
    source = texts_file(LINES)
    assert run(*arguments).returncode == 0
    content = output.read_bytes()
    if change == "input":
        source.write_bytes(source.read_bytes().replace("床".encode(), "光".encode(), 1))
    elif change == "output":
        output.write_bytes(b"something else\n" + content)
    elif change == "end":
        output.write_bytes(content[: content.rindex(b'{"line"')])
    else:
        output.write_bytes(content.replace(b'"answer"', b'"question"', 1))
    before = output.read_bytes()
    done = run(*arguments, "--resume")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "was not written by this command, or not from this input" in done.stderr
    assert "remove --resume to start over" in done.stderr
    assert output.read_bytes() == before


KILLED = """
import os, signal, sys
from pathlib import Path
from bert_mlm_client.cli import main
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
{step} = die
main()
"""


@pytest.fixture
def _open_gate(model: GatedModel) -> None:
    model.gate.set()


@pytest.mark.usefixtures("_open_gate")
@pytest.mark.parametrize("step", ["os.truncate", "Path.replace"])
def test_a_kill_while_truncating_keeps_all_of_the_output_or_nothing(
    run: Run, environment: dict[str, str], arguments: list[str], output: Path, step: str
) -> None:
    left = "something else\n" if step == "os.truncate" else ""
    output.write_text("something else\n", encoding="utf-8")
    command = [COMMAND[0], "-c", KILLED.format(step=step), *arguments]
    assert subprocess.run(command, env=environment, check=False, timeout=120).returncode == -signal.SIGKILL
    assert output.read_text(encoding="utf-8") == left
    assert not output.with_name("answers.jsonl.resume").exists()
    resumed = run(*arguments, "--resume")
    assert resumed.returncode == (1 if left else 0), "a complete output is not resumed"
    if left:
        assert output.read_text(encoding="utf-8") == left
        assert run(*arguments).returncode == 0
    check_complete(output)


@pytest.mark.parametrize("before", [[b"something else\n"], []])
def test_ctrl_c_before_the_first_line_keeps_the_earlier_output(
    start: Start, grpc_url: str, output: Path, before: list[bytes]
) -> None:
    for content in before:
        output.write_bytes(content)
    process = start("fill", "--output", output, "--url", grpc_url)
    assert process.stdin
    process.stdin.write("\n")
    process.stdin.flush()
    wait_until(lambda: unread(process.stdin) == 0)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert (process.returncode, told.splitlines()[-1]) == (130, "bert-mlm: 0 lines answered")
    assert [path.read_bytes() for path in output.parent.iterdir()] == before


def test_a_real_server_answers_every_line_once_across_a_kill(
    run: Run, start: Start, texts_file: Texts, output: Path, served_url: str
) -> None:
    lines = 2 * LINES
    arguments = ["fill", "--input", texts_file(lines), "--output", output, "--url", served_url]
    process = start(*arguments)
    wait_until(lambda: output.exists() and output.read_bytes().count(b"\n") >= WINDOW)
    process.kill()
    process.wait(30)
    assert output.read_bytes().count(b"\n") < lines
    assert run(*arguments, "--resume").returncode == 0
    check_complete(output, lines)
