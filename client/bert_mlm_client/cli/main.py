"""Run the command ``bert-mlm``."""

import os
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from io import TextIOWrapper

from bert_mlm_client.cli import verbs
from bert_mlm_client.cli.arguments import parse
from bert_mlm_client.cli.exit_status import ExitStatus
from bert_mlm_client.cli.hints import message_of
from bert_mlm_client.errors import BertMlmError, InputError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status.

    Returns:
        0; 1 after an error; 3 if some lines of the input could not be answered; 130 after Ctrl-C.

    Raises:
        SystemExit: of status 2 after wrong usage, of status 0 after ``--help`` and ``--version``.
    """
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # otherwise its log lines mix with our one line
    _write_utf_8()
    options = parse(arguments)
    try:
        with _caller_trace():
            status = _RUN.get(options.command, _ask)(options)
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        # The reader of the output is gone; flushing the rest of the buffer at exit must not fail again.
        if sys.stdout is not None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitStatus.FAILED
    except (BertMlmError, OSError) as error:
        print("bert-mlm:", "; ".join([_message(error), *getattr(error, "__notes__", [])]), file=sys.stderr)
        return ExitStatus.FAILED
    except KeyboardInterrupt:
        os._exit(ExitStatus.INTERRUPTED)  # a normal exit joins the threads, which wait for the server
    return status


def _ask(options: Namespace) -> ExitStatus:
    """Answer the questions of the command line or a file."""
    from bert_mlm_client.cli.questions import question

    asked = question(options)
    with asked.open(options) as client:
        if options.source or options.output is not None:
            from bert_mlm_client.cli.bulk import run

            return run(asked, client, options)
        items = [asked.build(*values) for values in options.given]
        answers = asked.ask(client, items)
    if options.table:
        from bert_mlm_client.cli.tables import Tables

        shown = Tables(options.command)
        for item, answer in zip(items, answers, strict=True):
            shown.show(item, answer, titled=len(items) > 1)
        return ExitStatus.SUCCEEDED
    from bert_mlm_client.cli.document import dumps, line_of
    from bert_mlm_client.cli.lines import Line

    if options.json:
        print(dumps(answers[0] if len(answers) == 1 else answers, indent=2))
    else:
        for number, (item, answer) in enumerate(zip(items, answers, strict=True), 1):
            print(line_of(Line(number, item, asked.fields(item)), answer).decode(), end="")
    return ExitStatus.SUCCEEDED


def _status(options: Namespace) -> ExitStatus:
    """Show the model's versions."""
    from bert_mlm_client.cli.status import run

    return run(options)


def _completion(options: Namespace) -> ExitStatus:
    from bert_mlm_client.cli.complete import script
    from bert_mlm_client.cli.parser import build_parser

    print(script(build_parser(), options.shell), end="")
    return ExitStatus.SUCCEEDED


_RUN = {verbs.STATUS: _status, verbs.COMPLETION: _completion}


def _write_utf_8() -> None:
    """Use UTF-8 output and allow a closed standard error."""
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115  as long as the process lives
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


@contextmanager
def _caller_trace() -> Iterator[None]:
    """Propagate the trace context of TRACEPARENT."""
    with ExitStack() as stack:
        if traceparent := os.environ.get("TRACEPARENT"):
            from bert_mlm_client.transport.trace import trace_context

            # Ignore an invalid value, as the specification does: a new trace starts.
            with suppress(InputError):
                stack.enter_context(trace_context(traceparent, os.environ.get("TRACESTATE")))
        yield


def _message(error: BertMlmError | OSError) -> str:
    if isinstance(error, BertMlmError):
        return message_of(error)
    return str(error) if error.filename is None else f"{error.filename}: {error.strerror}"
