"""Parse and validate the command line."""

import os
import stat
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import TextIO

from bert_mlm_client.cli import verbs
from bert_mlm_client.cli.formats import format_of
from bert_mlm_client.cli.parser import URL, build_parser

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
    parser = build_parser()
    _check_command(parser, arguments)
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        is_text = any(_MASK in each or not each.isascii() for each in unknown)
        hint = "; put -- before a text that starts with -" if is_text else ""
        options.parser.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
    if sys.stdout is None and getattr(options, "output", None) in {None, "-"}:
        options.parser.error("standard output is closed, where the answer is written")
    if options.command == verbs.COMPLETION:
        return options
    options.table = options.table or (not options.json and sys.stdout is not None and sys.stdout.isatty())
    options.url = options.url or os.environ.get("BERT_MLM_URL", "").split() or [URL]
    many = False
    if options.command != verbs.STATUS:
        options.given, options.source = _questions(options)
        _check(options)
        many = options.source != ""
    if options.timeout is None:
        options.timeout = _TIMEOUT_OF_MANY_S if many else _TIMEOUT_S
    return options


def _check_command(parser: ArgumentParser, arguments: Sequence[str]) -> None:
    """Reject an unknown command with exit status 2.

    The message suggests a similar command.
    """
    before = list(takewhile(lambda argument: argument.startswith("-"), arguments))
    name = arguments[len(before)] if len(before) < len(arguments) else None
    known = {*verbs.COMMANDS, *(alias for aliases in verbs.ALIASES.values() for alias in aliases)}
    if name is None or name in known:
        return
    if before:
        parser.error(f"{before[-1]} belongs after the command: {', '.join(verbs.COMMANDS)}")
    meant = "fill TEXT" if _MASK in name else verbs.nearest(name)
    shown = f"did you mean bert-mlm {meant}?" if meant else f"the commands are {', '.join(verbs.COMMANDS)}"
    parser.error(f"there is no command {name!r:.60}; {shown}")


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
    return _given(options, texts), ""


def _given(options: Namespace, texts: list[str]) -> list[tuple[str, ...]]:
    """Return the questions of the command line's texts."""
    if options.command == verbs.SIMILARITY and len(texts) != 2:
        options.parser.error(f"give two texts to compare, not {len(texts)}; pass more pairs by --input or a pipe")
    if options.command == verbs.SCORE and len(texts) < 2:
        options.parser.error("give at least one candidate after the text")
    if options.command in {verbs.SIMILARITY, verbs.SCORE}:
        return [tuple(texts)]
    second = getattr(options, "text_pair", None)
    if second is not None and len(texts) != 1:
        options.parser.error(f"--text-pair belongs to one text, not {len(texts)}; pass more pairs by --input or a pipe")
    return [(text,) if second is None else (text, second) for text in texts]


_BEFORE_TARGETS = "put the text before --targets, or -- before the text"


def _is_piped(descriptor: int) -> bool:
    """Return whether a descriptor is not a terminal."""
    return not stat.S_ISCHR(os.fstat(descriptor).st_mode)


def _check(options: Namespace) -> None:
    """Exit with status 2 if options contradict each other."""
    error = options.parser.error
    if options.command == verbs.FILL and options.targets and (options.joint or options.skip_punctuation):
        error("--targets cannot be combined with --joint and --skip-punctuation")
    if options.command in {verbs.SIMILARITY, verbs.SCORE} and options.format == "plain":
        error("a plain line is a single text; use --format csv, tsv or jsonl")
    if options.source and getattr(options, "text_pair", None) is not None:
        error("--text-pair belongs to a text on the command line; name the second field or column of the lines")
    if options.source and _is_same_file(options.source, options.output or "-"):
        error("the input and the output are the same file")
    if options.resume and (options.output in {None, "-"} or options.source in {"", "-"}):
        error("--resume needs --input and --output files")
    _check_places(options)


def _check_places(options: Namespace) -> None:
    """Choose the format and check the fields or columns.

    Exit with status 2 if they do not fit the format.
    """
    error = options.parser.error
    if options.field and options.column:
        error("--field is for JSON lines and --column for columns; give one of them")
    if options.format is None:
        in_columns = "csv" if format_of(options.source) == "csv" else "tsv"
        options.format = "jsonl" if options.field else in_columns if options.column else None
    if (options.field and options.format != "jsonl") or (options.column and options.format not in {"csv", "tsv"}):
        error(f"--field is for --format jsonl and --column for csv and tsv, not for {options.format}")
    places = options.field or options.column
    wanted = _FIELD_COUNTS.get(options.command, (1,))
    if places and len(places) not in wanted and not (options.column and options.command == verbs.SCORE):
        error(f"{options.command} needs {' or '.join(map(str, wanted))} of them, not {len(places)}")
    if any(column.isdecimal() and not int(column) for column in options.column or ()):
        error("columns are numbered from 1")


_FIELD_COUNTS = {verbs.SIMILARITY: (2,), verbs.SCORE: (2,), verbs.CLASSIFY: (1, 2)}
"""Numbers of fields or columns of a command's question, by default 1; ``score`` also takes more columns."""


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
