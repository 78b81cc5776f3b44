"""Parse the command line."""

import argparse
import os
import stat
import sys
from argparse import Action, ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from bert_mlm_client import __version__

SHELLS = ("bash", "zsh", "fish")
_URL = "grpc://127.0.0.1:8500"
_MASK = "[MASK]"
_TIMEOUT_S = 10.0
_TIMEOUT_OF_MANY_S = 60.0
"""Longer, because concurrent requests queue behind each other and no user waits for a single line."""


def parse(arguments: Sequence[str] | None) -> Namespace:
    """Parse and validate the options, or exit with status 2.

    For a command that asks questions, ``given`` holds the questions of the command line, each a tuple of texts, and
    ``source`` names the input file, ``-`` for standard input. One of the two is empty.
    """
    if arguments is None:
        # UTF-8 in every locale; surrogateescape, because a file name may be any bytes.
        arguments = [os.fsencode(argument).decode("utf-8", "surrogateescape") for argument in sys.argv[1:]]
    options, unknown = build_parser().parse_known_args(arguments)
    if unknown:
        is_text = any(_MASK in each or not each.isascii() for each in unknown)
        hint = "; put -- before a text that starts with -" if is_text else ""
        options.parser.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
    if sys.stdout is None and getattr(options, "output", None) in {None, "-"}:
        options.parser.error("standard output is closed, where the answer is written")
    if options.command == "completion":
        return options
    options.url = options.url or os.environ.get("BERT_MLM_URL", "").split() or [_URL]
    many = False
    if options.command != "status":
        options.given, options.source = _questions(options)
        _check(options)
        many = options.source != ""
    if options.timeout is None:
        options.timeout = _TIMEOUT_OF_MANY_S if many else _TIMEOUT_S
    return options


def build_parser() -> ArgumentParser:
    """Build the argument parser."""
    parser = ArgumentParser(
        prog="bert-mlm",
        description="Ask a Chinese masked language model on TensorFlow Serving.",
        epilog="Exit status: 0; 1 after an error; 2 after wrong usage; 3 if some lines of the input could not be "
        "answered; 130 after Ctrl-C.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)

    def add(name: str, summary: str) -> ArgumentParser:
        command = commands.add_parser(
            name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.", allow_abbrev=False
        )
        command.register("type", None, _text)
        command.set_defaults(parser=command)
        return command

    fill = add("fill", "fill [MASK] in texts")
    fill.add_argument(
        "texts", nargs="*", metavar="TEXT", help="a text with one [MASK] or more, or - for standard input"
    )
    fill.add_argument(
        "--top-k", type=_count, default=5, metavar="K", help="answers for each mask (default: %(default)s)"
    )
    fill.add_argument("--targets", nargs="+", metavar="WORD", help="choose from these words, of any length")
    fill.add_argument("--joint", action="store_true", help="the best words for all masks together, at most 16 answers")
    fill.add_argument("--skip-punctuation", action="store_true", help="exclude punctuation from the answers")
    _add_truncate(fill)

    score = add("score", "compare candidates for the [MASK] of a text")
    score.add_argument(
        "texts", nargs="*", metavar="TEXT CANDIDATE", help="a text with [MASK], then words of any length"
    )
    _add_truncate(score)

    similar = add("similar", "compare two texts by their meaning")
    similar.add_argument("texts", nargs="*", metavar="TEXT", help="two texts, or - for standard input")

    features = add("features", "print the vectors of texts")
    features.add_argument("texts", nargs="*", metavar="TEXT", help="a text, or - for standard input")
    _add_truncate(features)

    explain = add("explain", "show which tokens determine an answer")
    explain.add_argument("texts", nargs="*", metavar="TEXT", help="a text with [MASK], or - for standard input")
    explain.add_argument(
        "--target",
        action="append",
        metavar="WORD",
        help="the answer to explain (default: the best); repeat for several masks or gaps",
    )
    explain.add_argument("--joint", action="store_true", help="explain the best words for all masks together")
    explain.add_argument(
        "--method",
        choices=["occlusion", "attention"],
        default="occlusion",
        help="the attribution method (default: %(default)s)",
    )
    _add_truncate(explain)

    status = add("status", "show the status of the model's versions")
    for command in (fill, score, similar, features, explain):
        _add_lines(command)
    for command in (fill, score, similar, features, explain, status):
        command.add_argument("--json", action="store_true", help="print JSON instead of tables")
        _add_server(command)

    completion = add("completion", "print a script that completes this command in a shell")
    completion.add_argument("shell", choices=SHELLS)
    return parser


def _add_truncate(parser: ArgumentParser) -> None:
    parser.add_argument("--truncate", action="store_true", help="truncate texts that are too long for the model")


def _add_lines(parser: ArgumentParser) -> None:
    lines = parser.add_argument_group("many texts, one a line")
    about = "read questions from the lines of a file, - for standard input"
    _complete_files(lines.add_argument("-i", "--input", type=_file, metavar="FILE", help=about))
    about = "write a line of JSON for each line to a file, - for standard output"
    _complete_files(lines.add_argument("-o", "--output", type=_file, metavar="FILE", help=about))
    lines.add_argument(
        "--format", choices=["plain", "jsonl", "tsv"], help="format of the lines (default: by file extension)"
    )
    lines.add_argument("--field", action="append", metavar="NAME", help="a field of a JSON line; repeat for several")
    lines.add_argument(
        "--column", action="append", metavar="N", help="a column by number, or by its name in the first line; repeat"
    )
    lines.add_argument(
        "--workers", type=_count, default=4, metavar="N", help="concurrent requests (default: %(default)s)"
    )
    lines.add_argument("--resume", action="store_true", help="resume an incomplete output file")


def _add_server(parser: ArgumentParser) -> None:
    server = parser.add_argument_group("server")
    server.add_argument(
        "--url",
        action="append",
        help="grpc://, grpcs://, http:// or https:// with host and port; repeat for several servers "
        f"(default: BERT_MLM_URL, or {_URL})",
    )
    server.add_argument("--model", default="bert_mlm", metavar="NAME", help="the model (default: %(default)s)")
    server.add_argument("--version", type=int, metavar="N", help="the model's version (default: the latest)")
    about = "the model's vocab.txt (default: fetched from the server)"
    _complete_files(server.add_argument("--vocab", type=_file, metavar="FILE", help=about))
    server.add_argument(
        "--timeout", type=float, metavar="S", help="seconds to wait for an answer (default: 10, for lines 60)"
    )


def _complete_files(option: Action) -> None:
    option.complete = "file"  # type: ignore[attr-defined]  # shtab reads it


def _count(text: str) -> int:
    try:
        count = int(text)
    except ValueError as error:
        msg = f"{text!r} is not a whole number"
        raise argparse.ArgumentTypeError(msg) from error
    if count < 1:
        msg = f"{count} is less than 1"
        raise argparse.ArgumentTypeError(msg)
    return count


def _text(argument: str) -> str:
    """Return a text argument, checked to be UTF-8."""
    try:
        argument.encode()
    except UnicodeEncodeError as error:
        msg = f"{argument!r} is not UTF-8"
        raise argparse.ArgumentTypeError(msg) from error
    return argument


def _file(name: str) -> str:
    """Return a file name in the file system encoding."""
    if not name:
        msg = "the name is empty"
        raise argparse.ArgumentTypeError(msg)
    return os.fsdecode(name.encode("utf-8", "surrogateescape"))


def _questions(options: Namespace) -> tuple[list[tuple[str, ...]], str]:
    """Return the command line's questions, or the input file."""
    texts: list[str] = options.texts
    targets: list[str] = getattr(options, "targets", None) or []
    if taken := [word for word in targets if _MASK in word]:
        options.parser.error(f"--targets took the text {taken[0]} as a word; {_BEFORE_TARGETS}")
    if options.input is not None and texts:
        options.parser.error("give texts or --input, not both")
    if options.input is not None or texts == ["-"]:
        source = options.input or "-"
        if source == "-" and sys.stdin is None:
            options.parser.error("standard input is closed, where the texts are read")
        return [], source
    if not texts:
        if sys.stdin is None or not _is_piped(sys.stdin.fileno()):
            hint = f"; --targets took all words after it: {_BEFORE_TARGETS}" if targets else ""
            options.parser.error(f"give a text, or lines by --input or a pipe{hint}")
        return [], "-"
    if options.command == "similar" and len(texts) != 2:
        options.parser.error(f"give two texts to compare, not {len(texts)}; pass more pairs by --input or a pipe")
    if options.command == "score" and len(texts) < 2:
        options.parser.error("give at least one candidate after the text")
    return ([tuple(texts)] if options.command in {"similar", "score"} else [(text,) for text in texts]), ""


_BEFORE_TARGETS = "put the text before --targets, or -- before the text"


def _is_piped(descriptor: int) -> bool:
    """Return whether a descriptor is not a terminal."""
    return not stat.S_ISCHR(os.fstat(descriptor).st_mode)


def _check(options: Namespace) -> None:
    """Exit with status 2 if options contradict each other."""
    error = options.parser.error
    if options.command == "fill" and options.targets and (options.joint or options.skip_punctuation):
        error("--targets cannot be combined with --joint and --skip-punctuation")
    if options.command in {"similar", "score"} and options.format == "plain":
        error("a plain line is a single text; use --format tsv or jsonl")
    if options.field and options.column:
        error("--field is for JSON lines and --column for columns; give one of them")
    if options.format is None:
        options.format = "jsonl" if options.field else "tsv" if options.column else None
    if (options.field and options.format != "jsonl") or (options.column and options.format != "tsv"):
        error(f"--field is for --format jsonl and --column for tsv, not for {options.format}")
    if options.source and _is_same_file(options.source, options.output or "-"):
        error("the input and the output are the same file")
    if options.resume and (options.output in {None, "-"} or options.source in {"", "-"}):
        error("--resume needs --input and --output files")
    places = options.field or options.column
    wanted = _FIELD_COUNTS.get(options.command, 1)
    if places and len(places) != wanted and not (options.column and options.command == "score"):
        error(f"{options.command} needs {wanted} of them, not {len(places)}")
    if any(column.isdecimal() and not int(column) for column in options.column or ()):
        error("columns are numbered from 1")


_FIELD_COUNTS = {"similar": 2, "score": 2}
"""Number of fields or columns of a command's question, by default 1; ``score`` also takes more columns."""


def _is_same_file(source: str, output: str) -> bool:
    """Return whether two names refer to the same file."""
    try:
        read, written = _stat(source, sys.stdin), _stat(output, sys.stdout)
    except OSError:
        return os.path.realpath(source) == os.path.realpath(output)
    # A terminal or a socket can be both input and output.
    return os.path.samestat(read, written) and not (stat.S_ISCHR(read.st_mode) or stat.S_ISSOCK(read.st_mode))


def _stat(name: str, standard: TextIO) -> os.stat_result:
    return os.fstat(standard.fileno()) if name == "-" else Path(name).stat()
