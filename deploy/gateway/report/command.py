"""Implement the report command.

Usage: ``python -m deploy.gateway.report --since 24h``
"""

import argparse
import json
import os
import sys
from pathlib import Path

from deploy.gateway.report.errors import ReportError, UsageError
from deploy.gateway.report.figures import Report, as_json
from deploy.gateway.report.html_report import html_report
from deploy.gateway.report.picture import png_report
from deploy.gateway.report.text_report import text_report
from deploy.gateway.report.time_range import time_range
from deploy.gateway.report.words import WORDS, Words

FORMATS = ("text", "json", "html", "png")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``run``."""
    parser.add_argument(
        "--since",
        default="24h",
        metavar="TIME",
        help="90m, 24h, 7d or 2w ago, or a time such as 2026-04-05T10:00:00+08:00 (default: %(default)s)",
    )
    parser.add_argument("--until", metavar="TIME", help="the same (default: now)")
    parser.add_argument(
        "--timezone", metavar="NAME", help="for days and times, such as Asia/Shanghai (default: this machine's)"
    )
    parser.add_argument(
        "--log",
        type=Path,
        default=Path(os.environ.get("GATEWAY_LOG_FOLDER") or "logs"),
        metavar="PATH",
        help="the gateway's log folder, or its file; rotated ones are read as well (GATEWAY_LOG_FOLDER, default: logs)",
    )
    parser.add_argument("--format", choices=FORMATS, help="default: the output file's suffix, else text")
    parser.add_argument(
        "--language", choices=tuple(WORDS), default="en", help="language of the report (default: %(default)s)"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="default: standard output")


def run(options: argparse.Namespace) -> int:
    """Write the report.

    Return the exit status: 0, or 1 for an error, or 2 for wrong usage.
    """
    try:
        from deploy.gateway.report.query import read_report
    except ImportError:
        print("report: DuckDB is missing; install it: pip install -c constraints.txt duckdb", file=sys.stderr)
        return ReportError.exit_status
    try:
        chosen = _format(options)
        report = read_report(options.log, time_range(options.since, options.until, options.timezone))
        _check_lines(report, options.log)
        _write(_content(report, chosen, WORDS[options.language]), options.output)
    except ReportError as error:
        print(f"report: {error}", file=sys.stderr)
        return error.exit_status
    return 0


def _check_lines(report: Report, log: Path) -> None:
    if not report.source.lines:
        msg = (
            f"the log at {log} has no line from {report.since:%Y-%m-%d %H:%M} to {report.until:%Y-%m-%d %H:%M} "
            f"({report.timezone}); choose another range, such as --since 7d"
        )
        raise ReportError(msg)


def _format(options: argparse.Namespace) -> str:
    suffix = options.output.suffix.removeprefix(".") if options.output else ""
    chosen: str = options.format or (suffix if suffix in FORMATS else "text")
    if chosen == "png" and not options.output and sys.stdout.isatty():
        msg = "a PNG cannot be shown here; name a file with --output"
        raise UsageError(msg)
    return chosen


def _content(report: Report, chosen: str, words: Words) -> bytes:
    if chosen == "png":
        return png_report(report, words)
    if chosen == "json":
        text = json.dumps(as_json(report), ensure_ascii=False, indent=2) + "\n"
    else:
        text = html_report(report, words) if chosen == "html" else text_report(report, words)
    return text.encode()


def _write(content: bytes, output: Path | None) -> None:
    try:
        if output:
            output.write_bytes(content)
        else:
            sys.stdout.buffer.write(content)
            sys.stdout.flush()
    except BrokenPipeError:
        # The reader has closed the pipe; flushing the buffer at exit must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        msg = f"the report cannot be written to {output or 'standard output'} ({error.strerror})"
        raise ReportError(msg) from error
