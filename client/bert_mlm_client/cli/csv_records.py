"""Read CSV records (RFC 4180).

Quoted cells may contain line ends.
"""

import csv
from collections import deque
from collections.abc import Iterator

from bert_mlm_client.errors import InputError

MAX_LINES = 1000
"""Maximum number of lines of a record: more is a quote that was never closed."""

NumberedLine = tuple[int, str | InputError]
Record = tuple[int, list[str] | InputError]


def records(lines: Iterator[NumberedLine]) -> Iterator[Record]:
    """Yield the first line number and cells of each record.

    A line that starts no valid record has an error, and the next line starts the next record.

    Args:
        lines: all lines with their numbers, blank ones included.
    """
    waiting: deque[NumberedLine] = deque()
    while (first := _next(waiting, lines)) is not None:
        number, line = first
        if isinstance(line, InputError):
            yield number, line
        elif line and not line.isspace():
            yield number, _record(line, waiting, lines)


def _record(line: str, waiting: deque[NumberedLine], lines: Iterator[NumberedLine]) -> list[str] | InputError:
    """Return the record that starts with a line.

    Lines that an invalid record has consumed go back to the waiting lines.
    """
    taken: list[NumberedLine] = []

    def text() -> Iterator[str]:
        yield f"{line}\n"
        while len(taken) < MAX_LINES and (more := _next(waiting, lines)) is not None:
            taken.append(more)
            if isinstance(more[1], InputError):
                return
            yield f"{more[1]}\n"

    try:
        return next(csv.reader(text(), strict=True))
    except csv.Error as error:
        waiting.extendleft(reversed(taken))
        problem = "a quote is not closed" if "end of data" in str(error) else str(error)
        return InputError(f'invalid CSV: {problem}; a cell with " or a line end is quoted, and its " are doubled')


def _next(waiting: deque[NumberedLine], lines: Iterator[NumberedLine]) -> NumberedLine | None:
    return waiting.popleft() if waiting else next(lines, None)
