"""Answer the lines of a file or a pipe."""

import sys
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import dropwhile
from pathlib import Path
from typing import Any

from bert_mlm_client.bulk import ask_all
from bert_mlm_client.cli.document import line_of
from bert_mlm_client.cli.exit_status import ExitStatus
from bert_mlm_client.cli.failures import Failures
from bert_mlm_client.cli.finished import finished
from bert_mlm_client.cli.hints import message_of
from bert_mlm_client.cli.interrupt import Interrupt
from bert_mlm_client.cli.lines import Line, read
from bert_mlm_client.cli.output import Output
from bert_mlm_client.cli.progress import Bar
from bert_mlm_client.cli.questions import Client, Question
from bert_mlm_client.cli.resume import Done, Recipe, sidecar_path
from bert_mlm_client.errors import BertMlmError, InputError

_INPUT_AND_OUTPUT = {"given", "source", "parser", "texts", "input", "output", "json", "table", "resume"}
_UNRECORDED = _INPUT_AND_OUTPUT | {"timeout", "url", "vocab", "workers"}
"""Options that do not change the answers, so that a run may be resumed with other values. The address is among them:
the client cannot tell whether two addresses serve the same model."""

_MAX_IDENTICAL_FAILURES = 100
"""Stop after this many identical failures at the start: the options are wrong, not the input."""


def run(question: Question[Client, Any], client: Client, options: Namespace) -> ExitStatus:
    """Answer every line and return the exit status.

    Raises:
        BertMlmError: the server or the options caused it; a note says how to continue.
        OSError: a file cannot be read or written; likewise.
    """
    path = None if options.output in {None, "-"} else Path(options.output)
    if options.resume and path is not None and (complete := _finished(question, path, options)):
        print(f"bert-mlm: {path} is complete: {_lines(complete.lines)}, {complete.failed:,} failed", file=sys.stderr)
        return ExitStatus.SOME_FAILED if complete.failed else ExitStatus.SUCCEEDED
    recipe = _recipe(options, path)
    output = None if path is None else Output(path, recipe, resume=options.resume)
    done = Done() if output is None else output.done
    count = _Count(done.lines, Failures(done.failed))
    bar = Bar(None if recipe is None else recipe.input_lines, done.lines)
    interrupt = Interrupt()
    try:
        with _sink(options, output) as write, _source(question, options) as lines, interrupt, bar:
            answers = ask_all(
                interrupt.until(dropwhile(lambda line: line.number <= done.line, lines)),
                lambda group: _ask(question, client, group),
                length=lambda line: 0 if isinstance(line.question, InputError) else question.length(line.question),
                workers=options.workers,
                progress=bar.advance,
            )
            with closing(answers):
                for line, answer in _check_first_answers(answers) if done.lines == done.failed else answers:
                    write(line, answer)
                    count.add(line, answer)
    except (BertMlmError, OSError) as error:
        if output is not None and count.lines > count.failures.count:
            error.add_note(_resume_hint(count, output))
        elif output is not None:
            output.discard()
        raise
    if interrupt.pressed:
        if output is not None and not output.begun:
            output.discard()
        print(f"bert-mlm: {_resume_hint(count, output)}", file=sys.stderr)
        return ExitStatus.INTERRUPTED
    if output is not None:
        output.complete()
    if output is not None or count.failures.count:
        rate = (count.lines - done.lines) / bar.elapsed_s
        summary = f"{_lines(count.lines)}, {count.failures}; {bar.elapsed_s:,.1f} s, {rate:,.0f} lines/s"
        print(f"bert-mlm: {summary}", file=sys.stderr)
    return ExitStatus.SOME_FAILED if count.failures.count else ExitStatus.SUCCEEDED


@dataclass(slots=True)
class _Count:
    """Count answered and failed lines, earlier runs included."""

    lines: int
    failures: Failures

    def add(self, line: Line[Any], answer: object) -> None:
        self.lines += 1
        if isinstance(answer, BertMlmError):
            self.failures.add(line.number, answer)


def _finished(question: Question[Any, Any], path: Path, options: Namespace) -> Done | None:
    """Return the progress of a complete output.

    Return None if the output is incomplete.
    """
    if sidecar_path(path).exists() or not path.is_file() or not Path(options.source).is_file():
        return None
    if not path.stat().st_size:
        return None
    with _source(question, options) as lines:
        return finished(path, lines)


def _check_first_answers(answers: Iterator[tuple[Line[Any], Any]]) -> Iterator[tuple[Line[Any], Any]]:
    """Yield the answers unless the first ones all fail alike.

    Raises:
        InputError: the first lines all fail with the same message.
    """
    first = []
    for line, answer in answers:
        first.append((line, answer))
        if not isinstance(answer, BertMlmError) or str(answer) != str(first[0][1]):
            break
        if len(first) == _MAX_IDENTICAL_FAILURES:
            msg = f"the first {_MAX_IDENTICAL_FAILURES} lines all fail, stopped: {message_of(answer)}"
            raise InputError(msg)
    yield from first
    yield from answers


def _ask(question: Question[Client, Any], client: Client, lines: Sequence[Line[Any]]) -> list[Any]:
    """Return each line's answer, or its read error."""
    asked = [line.question for line in lines if not isinstance(line.question, InputError)]
    answers = iter(question.ask(client, asked) if asked else ())
    return [line.question if isinstance(line.question, InputError) else next(answers) for line in lines]


def _recipe(options: Namespace, output: Path | None) -> Recipe | None:
    """Return the recipe, or None without regular files."""
    if output is None or options.source in {"", "-"}:
        return None
    source = Path(options.source)
    if any(path.exists() and not path.is_file() for path in (source, output)):
        return None
    return Recipe.of(source, {name: value for name, value in vars(options).items() if name not in _UNRECORDED})


@contextmanager
def _source(question: Question[Any, Any], options: Namespace) -> Iterator[Iterator[Line[Any]]]:
    """Open the source of the questions."""
    if options.given:
        items = [question.build(*values) for values in options.given]
        yield (Line(number, item, question.fields(item)) for number, item in enumerate(items, 1))
    elif options.source == "-":
        yield read(sys.stdin.buffer, question.layout("", options))
    else:
        with Path(options.source).open("rb") as file:
            yield read(file, question.layout(options.source, options))


@contextmanager
def _sink(options: Namespace, output: Output | None) -> Iterator[Callable[[Line[Any], Any], None]]:
    """Yield the function that writes an answer."""
    if output is not None:
        with closing(output):
            yield lambda line, answer: output.write(line_of(line, answer))
    elif options.table and options.output != "-":
        yield _tables(options.command)
    else:
        yield _print_document


def _print_document(line: Line[Any], answer: Any) -> None:
    sys.stdout.buffer.write(line_of(line, answer))
    sys.stdout.buffer.flush()


def _tables(command: str) -> Callable[[Line[Any], Any], None]:
    """Return a function that prints answers as tables."""
    from bert_mlm_client.cli.tables import Tables

    shown = Tables(command)

    def write(line: Line[Any], answer: Any) -> None:
        if isinstance(answer, BertMlmError):
            print(f"bert-mlm: line {line.number}: {message_of(answer)}", file=sys.stderr)
        else:
            shown.show(line.question, answer, titled=True)

    return write


def _resume_hint(count: _Count, output: Output | None) -> str:
    if output is None or not output.begun:
        return f"{_lines(count.lines)} answered"
    hint = "run the same command with --resume to continue" if output.recipe else "this input cannot be resumed"
    return f"{_lines(count.lines)} in {output.path}; {hint}"


def _lines(count: int) -> str:
    return f"{count:,} line{'' if count == 1 else 's'}"
