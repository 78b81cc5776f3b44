"""Parse the command line."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from bert_mlm_client.commands import verbs

from deploy.batch.layout import FORMATS
from deploy.batch.rows.encoding import ENCODINGS
from deploy.batch.tasks import TASKS, THRESHOLD, default_top_k

CHUNK_ROWS = 1024
"""Rows of a chunk, which are sorted by length together, and asked again if their worker is lost."""

_MAX_WORKERS = 10_000
_MAX_CHUNK_ROWS = 100_000


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the options, or exit with status 2."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.batch",
        description="Answer every row of a corpus on Ray, with the light engine in each worker.",
        epilog="Run the same command again to continue. README.md has more.",
    )
    parser.add_argument(
        "--input",
        nargs="+",
        required=True,
        metavar="PATH",
        help=f"files, folders, globs or URLs such as s3://bucket/folder/*.parquet; {', '.join(FORMATS)}",
    )
    parser.add_argument("--output", required=True, metavar="DIR", help="folder or URL for the answers")
    parser.add_argument("--task", required=True, choices=TASKS)
    parser.add_argument(
        "--model",
        type=Path,
        default=Path("models/bert_mlm"),
        metavar="FOLDER",
        help="folder of versions, of which the newest is used, or one version (default: %(default)s)",
    )
    columns = parser.add_argument_group("columns of the input")
    columns.add_argument(
        "--columns", nargs="+", metavar="NAME", help="texts (default: text, or a and b for similarity)"
    )
    columns.add_argument("--id-column", metavar="NAME", help="unique ids (default: file and line are the id)")
    columns.add_argument("--encoding", choices=ENCODINGS, default="utf-8", help="of text files (default: %(default)s)")
    answers = parser.add_argument_group("answers")
    answers.add_argument("--top-k", type=_count, metavar="K", help="answers for each mask, labels or suggestions")
    answers.add_argument(
        "--threshold",
        type=float,
        default=THRESHOLD,
        metavar="P",
        help="proofread: probability below which a character is a suspect (default: %(default)s)",
    )
    answers.add_argument(
        "--spacing", type=_count, metavar="N", help="proofread: mask every N-th token in one row, which is faster"
    )
    answers.add_argument("--truncate", action="store_true", help="truncate texts that are too long for the model")
    ray = parser.add_argument_group("Ray")
    ray.add_argument("--address", metavar="HOST:PORT", help="a running cluster, or auto (default: this machine alone)")
    ray.add_argument(
        "--workers", type=_up_to(_MAX_WORKERS), metavar="N", help="default: one, or in a cluster one for each node"
    )
    ray.add_argument(
        "--threads",
        type=_up_to(_MAX_WORKERS),
        default=0,
        metavar="N",
        help="threads of each worker (default: the cores of the machine, or the CPUs of the smallest node)",
    )
    ray.add_argument(
        "--chunk-rows",
        type=_up_to(_MAX_CHUNK_ROWS),
        default=CHUNK_ROWS,
        metavar="N",
        help="rows of an output file (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    _check(parser, options)
    return options


def _check(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    wanted = {verbs.SIMILARITY: (2,), verbs.CLASSIFY: (1, 2)}.get(options.task, (1,))
    if options.columns and len(options.columns) not in wanted:
        parser.error(f"{options.task} needs {' or '.join(map(str, wanted))} columns, not {len(options.columns)}")
    if options.top_k is not None and default_top_k(options.task) is None:
        parser.error(f"{options.task} has no --top-k")
    if options.top_k is None:
        options.top_k = default_top_k(options.task)
    if options.spacing is not None and (options.task != verbs.PROOFREAD or options.spacing < 2):
        parser.error("--spacing is for proofread, and is at least 2")
    if not 0 < options.threshold < 1:
        parser.error(f"--threshold must be between 0 and 1, not {options.threshold:g}")


def _count(text: str) -> int:
    return _up_to(1_000_000)(text)


class _up_to:  # noqa: N801 - argparse prints its name
    """Parse a positive integer."""

    def __init__(self, most: int) -> None:
        self._most = most

    def __call__(self, text: str) -> int:
        if not text.isdecimal() or not 1 <= int(text) <= self._most:
            msg = f"{text} is not a whole number from 1 to {self._most:,}"
            raise argparse.ArgumentTypeError(msg)
        return int(text)
