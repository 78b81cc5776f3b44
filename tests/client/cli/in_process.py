"""Run the command in the tests' process, fifty times as fast as in one of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from threading import Thread
from typing import TextIO
from unittest.mock import patch

from bert_mlm_client.cli import main


def call(*arguments: object, given: str | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command with its own streams and environment variables.

    The streams have descriptors: standard input is a pipe or the null device, the others are files. Signals, other
    locales and what gRPC's C library prints need a real process.
    """
    words = list(map(str, arguments))
    status: str | int | None
    with (
        patch.dict(os.environ, variables),
        _standard_input(given) as source,
        TemporaryFile("w+", encoding="utf-8") as output,
        TemporaryFile("w+", encoding="utf-8") as errors,
    ):
        with patch.multiple(sys, stdin=source, stdout=output, stderr=errors):
            try:
                status = main(words)
            except SystemExit as ended:
                status = ended.code
        return subprocess.CompletedProcess(words, int(status or 0), _text(output), _text(errors))


@contextmanager
def _standard_input(given: str | None) -> Iterator[TextIO]:
    if given is None:
        with Path(os.devnull).open(encoding="utf-8") as nothing:
            yield nothing
        return
    reader, writer = os.pipe()
    thread = Thread(target=_write, args=(writer, given))
    thread.start()
    try:
        with open(reader, encoding="utf-8") as pipe:  # noqa: PTH123 - a descriptor
            yield pipe
    finally:
        thread.join()


def _write(descriptor: int, text: str) -> None:
    with suppress(BrokenPipeError), open(descriptor, "w", encoding="utf-8") as pipe:
        pipe.write(text)


def _text(file: TextIO) -> str:
    file.flush()
    file.seek(0)
    return file.read()
