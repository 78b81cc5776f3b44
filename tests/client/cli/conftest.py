"""Fixtures that run the command in a subprocess."""

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from loadtest.soak import started
from tests.client.cli.process import COMMAND, Run, RunWith, Start, Texts, sentences


@pytest.fixture
def run(environment: Mapping[str, str]) -> Run:
    """Run the command to its end, with the given standard input."""

    def run_command(*arguments: object, given: str | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
        source = {"stdin": subprocess.DEVNULL} if given is None else {"input": given}
        return subprocess.run(
            [*COMMAND, *map(str, arguments)],
            capture_output=True,
            encoding="utf-8",
            env={**environment, **variables},
            timeout=120,
            check=False,
            **source,
        )

    return run_command


@pytest.fixture
def run_with(environment: Mapping[str, str]) -> RunWith:
    """Run the command to its end with a shell's redirections."""

    def run_command(redirections: str, *arguments: object) -> subprocess.CompletedProcess[bytes]:
        command = ["sh", "-c", f'exec "$0" "$@" {redirections}', *COMMAND, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, env=environment, timeout=120, check=False)

    return run_command


@pytest.fixture
def start(environment: Mapping[str, str]) -> Iterator[Start]:
    """Start the command, and kill it at the end of the test."""
    started_here: list[subprocess.Popen[str]] = []

    def start_command(*arguments: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            env=dict(environment),
        )
        started_here.append(process)
        return process

    yield start_command
    for process in started_here:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def served_url(light_version: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real embedded server with a tiny model that knows ``KNOWN``."""
    with started(light_version.parent, tmp_path_factory.mktemp("served"), ["--engine=onnx"]) as server:
        yield server.grpc


@pytest.fixture
def texts_file(tmp_path: Path) -> Texts:
    """Write a number of sentences to a file, one per line."""

    def write(count: int) -> Path:
        path = tmp_path / "texts.txt"
        path.write_text("".join(f"{sentence}\n" for sentence in sentences(count)), encoding="utf-8")
        return path

    return write
