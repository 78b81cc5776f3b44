"""Test the copy of the log on standard output."""

import json
import os
from collections.abc import Callable, Iterator
from io import BufferedReader

import pytest

from deploy.gateway.log.writer import StdoutWriter
from tests.deploy.gateway.log.test_writer import line

Until = Callable[[Callable[[], bool]], None]


@pytest.fixture
def pipe() -> Iterator[tuple[BufferedReader, int]]:
    """Yield the end of a pipe to read from, and the descriptor to write to."""
    read, write = os.pipe()
    with os.fdopen(read, "rb") as reader:
        yield reader, write
        os.close(write)


def numbered(text: bytes) -> list[int]:
    return [json.loads(one)["number"] for one in text.splitlines()]


def test_lines_arrive_in_order(pipe: tuple[BufferedReader, int]) -> None:
    reader, descriptor = pipe
    with StdoutWriter(descriptor=descriptor) as writer:
        for number in range(100):
            assert writer.write(line(number))
    assert numbered(reader.read1(1 << 20)) == list(range(100))
    assert (writer.status.lines_written, writer.status.lines_lost) == (100, {})


def test_a_reader_that_does_not_read_costs_lines_but_no_waiting(pipe: tuple[BufferedReader, int], until: Until) -> None:
    reader, descriptor = pipe
    written = b"x" * 9_999 + b"\n"
    with StdoutWriter(descriptor=descriptor, capacity_bytes=400_000) as writer:
        accepted = sum(writer.write(written) for _ in range(100))  # more than the pipe and the queue can hold
        assert 0 < accepted < 100
        assert writer.status.lines_lost == {"queue_full": 100 - accepted}
        read = b""
        while read.count(b"\n") <= accepted:
            read += reader.read1(1 << 20)
        until(lambda: writer.status.bytes_waiting == 0)
    lost = json.loads(read.splitlines()[-1])
    assert (lost["task"], lost["lost_lines"]) == ("lost_lines", 100 - accepted)
    assert writer.status.lines_written == accepted + 1


def test_what_a_closed_reader_does_not_take_is_counted(until: Until) -> None:
    read, descriptor = os.pipe()
    os.close(read)
    with StdoutWriter(descriptor=descriptor) as writer:
        for number in range(10):
            assert writer.write(line(number))
        until(lambda: writer.status.problem is not None)
        assert writer.status.problem == "Broken pipe"
    os.close(descriptor)
    assert writer.status.lines_lost == {"unwritable": 10}


def test_a_reader_that_never_reads_does_not_block_the_end(
    pipe: tuple[BufferedReader, int], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, descriptor = pipe
    monkeypatch.setattr(StdoutWriter, "_close_s", 0.05)
    writer = StdoutWriter(descriptor=descriptor)
    writer.write(b"x" * 1_000_000 + b"\n")
    writer.close()
    assert "standard output does not answer; " in caplog.text
    assert "bytes of lines are lost" in caplog.text
    assert len(reader.read(1_000_001)) == 1_000_001  # so that the thread ends
