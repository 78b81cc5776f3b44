"""One report in a process of its own: DuckDB's memory goes when it ends, and no question waits for its interpreter.

The process, ``python -m deploy.gateway.dashboard.computing``, reads a line of JSON with what is asked from its standard
input, which stays open as long as somebody wants the report, and writes a line with the report or the error.
"""

import asyncio
import json
import os
import sys
import threading
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from deploy.gateway.dashboard.words import Language
from deploy.gateway.report import errors
from deploy.gateway.report.html_report import html_fragment
from deploy.gateway.report.time_range import time_range
from deploy.gateway.report.words import WORDS

_NICENESS = 5
_END_S = 2.0
_KINDS = (errors.ReportError, errors.NoLogError, errors.TimeLimitError, errors.UsageError)


@dataclass(frozen=True, slots=True)
class Asked:
    """A range as it was written, and a language: what tells one report from another."""

    since: str
    until: str | None
    timezone: str | None
    language: Language


async def compute(log: Path, asked: Asked, time_limit_s: float) -> str:
    """Return a report as an element of HTML; who cancels this ends the process.

    Raises:
        UsageError: the range cannot be read.
        NoLogError: there is no log.
        TimeLimitError: it took too long.
        ReportError: the log cannot be read, or the process ended without an answer.
    """
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", __name__, stdin=PIPE, stdout=PIPE)
    assert process.stdin is not None  # noqa: S101  asked for above
    assert process.stdout is not None  # noqa: S101  likewise
    try:
        process.stdin.write(
            json.dumps({"log": str(log), "time_limit_s": time_limit_s, **asdict(asked)}).encode() + b"\n"
        )
        answer = await process.stdout.read()
    finally:
        await asyncio.shield(_end(process))
    return _read(answer, process.returncode)


async def _end(process: Process) -> None:
    """Let the process end by itself, as it does when its input is closed, and see that it does."""
    assert process.stdin is not None  # noqa: S101  see above
    process.stdin.close()
    try:
        await asyncio.wait_for(process.communicate(), _END_S)  # reads to the end, which closes the pipe
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


def _read(answer: bytes, status: int | None) -> str:
    try:
        outcome = json.loads(answer)
    except ValueError as error:
        msg = f"the report's process ended with status {status}; the gateway's standard error says why"
        raise errors.ReportError(msg) from error
    if "error" in outcome:
        kinds = {kind.__name__: kind for kind in _KINDS}
        raise kinds[outcome["error"]](outcome["message"])
    html: str = outcome["html"]
    return html


def main() -> None:
    """Answer the one question on standard input."""
    with suppress(OSError):
        os.nice(_NICENESS)  # questions go first
    question = json.loads(sys.stdin.readline())
    unwanted = threading.Event()
    threading.Thread(target=_watch, args=(unwanted,), daemon=True).start()
    try:
        outcome = {"html": _write(question, unwanted)}
    except errors.ReportError as error:
        outcome = {"error": type(error).__name__, "message": str(error)}
    with suppress(BrokenPipeError):
        print(json.dumps(outcome), flush=True)
    os._exit(0)  # the watching thread holds standard input, which Python's own end would wait for


def _watch(unwanted: threading.Event) -> None:
    sys.stdin.read()
    unwanted.set()


def _write(question: dict[str, Any], unwanted: threading.Event) -> str:
    from deploy.gateway.report.query import Limits, read_report  # loads DuckDB, which the gateway itself does not need

    chosen = time_range(question["since"], question["until"], question["timezone"])
    limits = Limits(threads=1, time_s=question["time_limit_s"], cancelled=unwanted)
    return html_fragment(read_report(Path(question["log"]), chosen, limits), WORDS[question["language"]])


if __name__ == "__main__":
    main()
