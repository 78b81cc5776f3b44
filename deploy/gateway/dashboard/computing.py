"""Compute reports and find log lines in a separate process.

DuckDB's memory is freed when it ends, and it does not hold the gateway's GIL. The process,
``python -m deploy.gateway.dashboard.computing``, reads the query as a line of JSON from its standard input, and writes
a line with the report or the error. Closing its input cancels the report.
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
from deploy.gateway.report.log_lines import LineFilter

FITTED = "auto"
"""The start of the range that fits the log."""

_NICENESS = 5
_END_S = 2.0
_KINDS = (errors.ReportError, errors.NoLogError, errors.TimeLimitError, errors.UsageError)


@dataclass(frozen=True, slots=True)
class ReportQuery:
    """The query of a report or of log lines.

    It is the key of the cache.

    Attributes:
        since: `FITTED`, or as for `time_range`.
        wanted: the filter of log lines; None for a report.
    """

    since: str
    until: str | None
    timezone: str | None
    language: Language
    wanted: LineFilter | None = None


async def compute(log: Path, query: ReportQuery, time_limit_s: float) -> str:
    """Return a report or log lines as an HTML element.

    Cancelling ends the process.

    Raises:
        UsageError: the range is invalid.
        NoLogError: no log exists.
        TimeLimitError: the report timed out.
        ReportError: the log cannot be read, or the process ended without an answer.
    """
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", __name__, stdin=PIPE, stdout=PIPE)
    assert process.stdin is not None  # noqa: S101  stdin=PIPE
    assert process.stdout is not None  # noqa: S101  stdout=PIPE
    try:
        process.stdin.write(
            json.dumps({"log": str(log), "time_limit_s": time_limit_s, **asdict(query)}).encode() + b"\n"
        )
        answer = await process.stdout.read()
    finally:
        await asyncio.shield(_end(process))
    return _read(answer, process.returncode)


async def _end(process: Process) -> None:
    """End the process by closing its input.

    Kill it on timeout.
    """
    assert process.stdin is not None  # noqa: S101  stdin=PIPE
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
        msg = f"the report's process ended with status {status}; see the gateway's standard error"
        raise errors.ReportError(msg) from error
    if "error" in outcome:
        kinds = {kind.__name__: kind for kind in _KINDS}
        raise kinds[outcome["error"]](outcome["message"])
    html: str = outcome["html"]
    return html


def main() -> None:
    """Answer the query on standard input."""
    with suppress(OSError):
        os.nice(_NICENESS)  # questions have priority
    question = json.loads(sys.stdin.readline())
    cancelled = threading.Event()
    threading.Thread(target=_watch, args=(cancelled,), daemon=True).start()
    try:
        outcome = {"html": _write(question, cancelled)}
    except errors.ReportError as error:
        outcome = {"error": type(error).__name__, "message": str(error)}
    with suppress(BrokenPipeError):
        print(json.dumps(outcome), flush=True)
    os._exit(0)  # a normal exit would wait for the thread that reads standard input


def _watch(cancelled: threading.Event) -> None:
    sys.stdin.read()
    cancelled.set()


def _write(question: dict[str, Any], cancelled: threading.Event) -> str:
    from deploy.gateway.dashboard.rendering import lines, report  # imports DuckDB, which the gateway does not need

    log, time_limit_s = Path(question.pop("log")), question.pop("time_limit_s")
    wanted = question.pop("wanted")
    if wanted is None:
        return report(log, ReportQuery(**question), time_limit_s, cancelled)
    return lines(log, ReportQuery(**question, wanted=LineFilter(**wanted)), time_limit_s, cancelled)


if __name__ == "__main__":
    main()
