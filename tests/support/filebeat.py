"""A real Filebeat for tests, if there is one."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from loadtest.log_pipeline.filebeat import Filebeat, binary, configuration, version
from loadtest.processes import StartError

Event = dict[str, Any]
Ship = Callable[[Mapping[str, Sequence[str]], int], list[Event]]


@pytest.fixture(scope="session")
def filebeat_program() -> Path:
    """The binary of FILEBEAT, of PATH, or of `make log-tools`."""
    try:
        return binary()
    except StartError as error:
        pytest.skip(str(error))


@pytest.fixture
def ship(filebeat_program: Path, tmp_path: Path) -> Ship:
    """Write files, and return the events that Filebeat makes of them."""

    def run(files: Mapping[str, Sequence[str]], events: int) -> list[Event]:
        folders = {name: tmp_path / name for name in ("gateway", "serving")}
        for folder in folders.values():
            folder.mkdir(exist_ok=True)
        for name, lines in files.items():
            (tmp_path / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        output = tmp_path / "events"
        document = configuration(version(filebeat_program), {"file": {"path": str(output), "filename": "events"}})
        variables = {f"{name.upper()}_LOG_FOLDER": str(folder) for name, folder in folders.items()}
        filebeat = Filebeat(filebeat_program, document, tmp_path / "filebeat", variables)
        deadline = time.monotonic() + 60
        with filebeat.run() as process:
            while len(found := _events(output)) < events:
                assert process.poll() is None, filebeat.said
                assert time.monotonic() < deadline, f"{found}\n{filebeat.said}"
                time.sleep(0.1)  # between two looks
        return _events(output)

    return run


def _events(folder: Path) -> list[Event]:
    lines = [line for file in sorted(folder.glob("events*")) for line in file.read_text("utf-8").splitlines(True)]
    return [json.loads(line) for line in lines if line.endswith("\n")]
