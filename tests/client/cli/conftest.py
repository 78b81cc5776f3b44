"""Fixtures that run the command, in this process or in one of its own."""

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from loadtest.soak import started
from tests.client.cli.in_process import call
from tests.client.cli.process import COMMAND, Run, RunWith, Start, Texts, sentences
from tests.support.processes import ending


@pytest.fixture(scope="session")
def run() -> Run:
    """Run the command in this process, with the given standard input."""
    return call


@pytest.fixture
def run_process(environment: Mapping[str, str]) -> Run:
    """Run the command as a process, with the given standard input."""

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
    with ending() as processes:

        def start_command(*arguments: object) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [*COMMAND, *map(str, arguments)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                env=dict(environment),
            )
            processes.append(process)
            return process

        yield start_command


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
