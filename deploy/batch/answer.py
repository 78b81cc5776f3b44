"""Answer rows as lines of JSON."""

import json
from collections.abc import Sequence
from typing import Any

from bert_mlm_client import BertMlmError, InputError
from bert_mlm_client.commands import Question, ask_all, dumps, message_of

from deploy.batch.errors import BatchError
from deploy.batch.layout import Row

_MAX_IDENTICAL_FAILURES = 100
"""Stop after this many identical failures at the start: the options are wrong, not the input."""


def answer_rows(question: Question[Any, Any], client: Any, rows: Sequence[Row]) -> tuple[list[bytes], int]:
    """Return the rows' lines and the number of errors.

    Raises:
        BertMlmError: an error that no single row caused, for example a model of another task.
    """
    items = [(row, _question(question, row)) for row in rows]

    def ask(group: Sequence[tuple[Row, Any]]) -> Sequence[Any]:
        asked = [item for _, item in group if not isinstance(item, InputError)]
        answers = iter(question.ask(client, asked) if asked else ())
        return [item if isinstance(item, InputError) else next(answers) for _, item in group]

    def length(item: tuple[Row, Any]) -> int:
        return 0 if isinstance(item[1], InputError) else question.length(item[1])

    lines, failed = [], 0
    # One group at a time: the engine uses all its threads for one run.
    for (row, _), answer in ask_all(items, ask, length=length, workers=1, window=max(1, len(items))):
        failed += isinstance(answer, BertMlmError)
        lines.append(_line(question, row, answer))
    return lines, failed


def check_first_rows(lines: Sequence[bytes], failed: int) -> None:
    """Reject options that no row can be answered with.

    Raises:
        BatchError: all of the first rows fail with the same message.
    """
    if failed < len(lines) or len(lines) < _MAX_IDENTICAL_FAILURES:
        return
    errors = {json.loads(line)["error"] for line in lines}
    if len(errors) == 1:
        msg = f"the first {len(lines):,} rows all fail, stopped: {errors.pop()}"
        raise BatchError(msg)


def _question(question: Question[Any, Any], row: Row) -> Any:
    if row.error is not None:
        return row.error
    try:
        return question.build(*row.values)
    except InputError as error:
        return error


def _line(question: Question[Any, Any], row: Row, answer: Any) -> bytes:
    document: dict[str, Any] = {"id": row.id}
    if row.id != row.place:
        document["source"] = row.place
    document |= zip((*question.names, *question.optional), row.values, strict=False)
    if isinstance(answer, BertMlmError):
        document |= {"error": message_of(answer), "error_type": type(answer).__name__}
    else:
        document["answer"] = answer
    text = dumps(document)
    try:
        return f"{text}\n".encode()
    except UnicodeEncodeError:  # a lone surrogate, which a JSON input may contain as \\ud800
        return f"{json.dumps(json.loads(text))}\n".encode()
