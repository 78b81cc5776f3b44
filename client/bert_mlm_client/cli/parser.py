"""Define the commands and their options."""

import argparse
import os
from argparse import Action, ArgumentParser, RawDescriptionHelpFormatter

from bert_mlm_client import __version__
from bert_mlm_client.cli import verbs

SHELLS = ("bash", "zsh", "fish")
URL = "grpc://127.0.0.1:8500"

_EXAMPLES = {
    verbs.FILL: (
        'bert-mlm fill "中国的首[MASK]是北京。" --top-k 3',
        "bert-mlm fill --input texts.csv --column title --output answers.jsonl --resume",
    ),
    verbs.SCORE: ('bert-mlm score "他[MASK]地说。" 高兴 难过',),
    verbs.SIMILARITY: ('bert-mlm similarity "今天天气很好。" "今天是个晴天。"',),
    verbs.FEATURES: ('bert-mlm features "今天天气很好。" --json',),
    verbs.EXPLAIN: ('bert-mlm explain "床前明月光，疑是地[MASK]霜。" --target 下',),
    verbs.PROOFREAD: (
        'bert-mlm proofread "他说话总是绵里藏真，让人不舒服。"',
        "bert-mlm proofread --input texts.txt --output suspects.jsonl --resume",
    ),
    verbs.CLASSIFY: (
        'bert-mlm classify --model genre "床前明月光，疑是地上霜。" --top-k 3',
        "bert-mlm classify --model genre --input texts.txt --output labels.jsonl --resume",
    ),
    verbs.STATUS: ("bert-mlm status --url grpc://127.0.0.1:8500",),
    verbs.COMPLETION: ('eval "$(bert-mlm completion bash)"',),
}


def build_parser() -> ArgumentParser:
    """Build the argument parser."""
    parser = ArgumentParser(
        prog="bert-mlm",
        description="Ask a Chinese masked language model or classifier on TensorFlow Serving.",
        epilog=f"{_example(verbs.FILL)}\n\n"
        "exit status:\n"
        "  0 success, 1 an error, 2 wrong usage, 3 some lines could not be answered, 130 Ctrl-C",
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)

    def add(name: str, summary: str) -> ArgumentParser:
        command = commands.add_parser(
            name,
            aliases=verbs.ALIASES.get(name, ()),
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            epilog=_example(name),
            formatter_class=RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        command.register("type", None, _text)
        command.set_defaults(parser=command, command=name)
        return command

    fill = add(verbs.FILL, "fill [MASK] in texts")
    fill.add_argument(
        "texts", nargs="*", metavar="TEXT", help="a text with one [MASK] or more, or - for standard input"
    )
    fill.add_argument(
        "--top-k", type=_count, default=5, metavar="K", help="answers for each mask (default: %(default)s)"
    )
    fill.add_argument("--targets", nargs="+", metavar="WORD", help="choose from these words, of any length")
    fill.add_argument("--joint", action="store_true", help="the best words for all masks together, at most 16 answers")
    fill.add_argument("--skip-punctuation", action="store_true", help="exclude punctuation from the answers")

    score = add(verbs.SCORE, "compare candidates for the [MASK] of a text")
    score.add_argument(
        "texts", nargs="*", metavar="TEXT CANDIDATE", help="a text with [MASK], then words of any length"
    )

    similarity = add(verbs.SIMILARITY, "compare two texts by their meaning")
    similarity.add_argument("texts", nargs="*", metavar="TEXT", help="two texts, or - for standard input")

    features = add(verbs.FEATURES, "print the vectors of texts")
    features.add_argument("texts", nargs="*", metavar="TEXT", help="a text, or - for standard input")

    explain = add(verbs.EXPLAIN, "show which tokens determine an answer")
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

    proofread = add(verbs.PROOFREAD, "find improbable characters in texts")
    proofread.add_argument("texts", nargs="*", metavar="TEXT", help="a text, or - for standard input")
    proofread.add_argument(
        "--threshold",
        type=float,
        default=0.0001,  # the library's, whose import would slow down --help
        metavar="P",
        help="probability below which a character is a suspect (default: %(default)s)",
    )
    proofread.add_argument(
        "--top-k", type=_count, default=5, metavar="K", help="suggestions for each suspect (default: %(default)s)"
    )
    proofread.add_argument(
        "--spacing", type=_count, metavar="N", help="mask every N-th token in one row, which is faster; see the README"
    )

    classify = add(verbs.CLASSIFY, "label texts with a classifier")
    classify.add_argument("texts", nargs="*", metavar="TEXT", help="a text, or - for standard input")
    classify.add_argument("--text-pair", metavar="TEXT", help="the second text, for a model of pairs")
    classify.add_argument(
        "--top-k",
        type=_count_or_all,
        default=1,
        metavar="K",
        help="labels for each text, or all (default: 1)",
    )

    status = add(verbs.STATUS, "show the status of the model's versions")
    for command in (fill, score, similarity, features, explain, proofread, classify):
        command.add_argument("--truncate", action="store_true", help="truncate texts that are too long for the model")
        _add_lines(command)
    for command in (fill, score, similarity, features, explain, proofread, classify, status):
        _add_form(command)
        _add_server(command, model=None if command is classify else "bert_mlm")

    completion = add(verbs.COMPLETION, "print a script that completes this command in a shell")
    completion.add_argument("shell", choices=SHELLS)
    return parser


def _example(name: str) -> str:
    examples = _EXAMPLES[name]
    return "\n  ".join([f"example{'s' if len(examples) > 1 else ''}:", *examples])


def _add_lines(parser: ArgumentParser) -> None:
    lines = parser.add_argument_group("many texts, one a line")
    about = "read questions from the lines of a file, - for standard input"
    _complete_files(lines.add_argument("-i", "--input", type=_file, metavar="FILE", help=about))
    about = "write a line of JSON for each line to a file, - for standard output"
    _complete_files(lines.add_argument("-o", "--output", type=_file, metavar="FILE", help=about))
    lines.add_argument(
        "--format", choices=["plain", "jsonl", "tsv", "csv"], help="format of the lines (default: by file extension)"
    )
    lines.add_argument("--field", action="append", metavar="NAME", help="a field of a JSON line; repeat for several")
    lines.add_argument(
        "--column", action="append", metavar="NAME", help="a column by its name in the first line, or by number; repeat"
    )
    lines.add_argument(
        "--workers", type=_count, default=4, metavar="N", help="concurrent requests (default: %(default)s)"
    )
    lines.add_argument("--resume", action="store_true", help="resume an incomplete output file")


def _add_form(parser: ArgumentParser) -> None:
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON, on a terminal as well")
    form.add_argument("--table", action="store_true", help="print tables, into a file or pipe as well")


def _add_server(parser: ArgumentParser, model: str | None) -> None:
    server = parser.add_argument_group("server")
    server.add_argument(
        "--url",
        action="append",
        help="grpc://, grpcs://, http:// or https:// with host and port; repeat for several servers "
        f"(default: BERT_MLM_URL, or {URL})",
    )
    about = "the classifier, for example genre" if model is None else "the model (default: %(default)s)"
    server.add_argument("--model", required=model is None, default=model, metavar="NAME", help=about)
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


def _count_or_all(text: str) -> int | None:
    return None if text == "all" else _count(text)


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
