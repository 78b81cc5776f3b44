"""The small models, and runs of the command without Ray."""

import json
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deploy.batch import __main__ as command
from deploy.batch.chunk import Chunk
from deploy.batch.cluster import Result
from deploy.batch.worker import Job, Worker

Write = Callable[[str, str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write an input file."""

    def write_file(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write_file


@dataclass
class Ray:
    """Stands in for Ray: one worker in this process, which a test may stop after some chunks."""

    asked: list[int]
    stop_after: int | None = None
    stops_with: type[BaseException] = KeyboardInterrupt

    @contextmanager
    def connected(self, address: str | None, workers: int | None) -> Iterator[int]:
        del address
        yield workers or 1

    def run(self, chunks: Sequence[Chunk], job: Job, workers: int) -> Iterator[Result]:
        del workers
        worker = Worker(job)
        for count, chunk in enumerate(chunks):
            if count == self.stop_after:
                raise self.stops_with
            self.asked.append(chunk.number)
            yield Result(chunk.number, *worker.run(chunk))


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ray]:
    """Run chunks in this process."""
    handler = signal.getsignal(signal.SIGTERM)
    stand_in = Ray([])
    monkeypatch.setattr(command, "connected", stand_in.connected)
    monkeypatch.setattr(command, "run", stand_in.run)
    yield stand_in
    signal.signal(signal.SIGTERM, handler)


def answers(output: Path) -> list[dict[str, Any]]:
    """Return the documents of all parts in their order."""
    lines = [line for part in sorted(output.glob("part-*.jsonl")) for line in part.read_bytes().splitlines()]
    return [json.loads(line) for line in lines]
