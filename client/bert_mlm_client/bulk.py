"""Answer any number of texts in order with bounded memory.

    with FillMask("grpc://127.0.0.1:8500") as client:
        for text, answer in ask_all(lines, client.fill, length=len):
            ...

The texts are read in windows. Within a window they are sorted by length, so that the texts of a request have similar
lengths and little padding. A window's answers are yielded when it is complete, while the next one is in flight.
"""

import contextvars
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from bert_mlm_client.errors import BertMlmError, InputError, RequestError, SignatureNotFoundError

Item = TypeVar("Item")
Answer = TypeVar("Answer")

WORKERS = 4
"""Number of concurrent groups: enough that a server always has a batch waiting."""

WINDOW = 512
"""Number of texts that are sorted by length together."""

MAX_ROWS = 64
"""Maximum number of texts in a group."""

MAX_LENGTH = 512
"""Maximum padded length of a group, its longest text's length times its number of texts. A larger batch gains little
throughput, and other callers wait twice as long for a batch of twice the size."""


def ask_all(
    items: Iterable[Item],
    ask: Callable[[Sequence[Item]], Sequence[Answer]],
    *,
    length: Callable[[Item], int],
    workers: int = WORKERS,
    window: int = WINDOW,
    progress: Callable[[int], object] = lambda _: None,
) -> Generator[tuple[Item, Answer | BertMlmError], None, None]:
    """Yield every item with its answer or error, in order.

    At most two windows of items are in memory. If the iterable ends early, everything read from it is still answered; a
    caller who stops iterating drops the requests in flight.

    Args:
        items: the items to answer, such as texts.
        ask: answers several of them, in their order; called from ``workers`` threads.
        length: estimates the number of tokens of an item.
        workers: the number of concurrent groups.
        window: the number of items that are sorted by length together.
        progress: called with the size of each finished group, in any order.

    Raises:
        BertMlmError: an error that no single item caused, such as a server that is down. The items yielded until then
            are a prefix of the input.
    """
    source = iter(items)
    pool = ThreadPoolExecutor(workers)
    windows: deque[_Window[Item, Answer]] = deque()
    try:
        while read := list(islice(source, window)):
            windows.append(_submit(pool, read, ask, length, progress))
            if len(windows) == 2:
                yield from _answers(windows.popleft())
        while windows:
            yield from _answers(windows.popleft())
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # do not wait for requests still in flight


_Answers = list[Answer | BertMlmError]
_Window = tuple[Sequence[Item], Sequence[tuple[Sequence[int], Future[_Answers[Answer]]]]]


def _submit(
    pool: ThreadPoolExecutor,
    items: Sequence[Item],
    ask: Callable[[Sequence[Item]], Sequence[Answer]],
    length: Callable[[Item], int],
    progress: Callable[[int], object],
) -> _Window[Item, Answer]:
    """Submit a window and return its items and groups' futures."""

    def answers(group: Sequence[int]) -> _Answers[Answer]:
        found = _ask_each(ask, [items[place] for place in group])
        progress(len(group))
        return found

    groups = group_by_length([_length_of(item, length) for item in items])
    # Each in a copy of the caller's context, which may contain trace headers.
    return items, [(group, pool.submit(contextvars.copy_context().run, answers, group)) for group in groups]


def _length_of(item: Item, length: Callable[[Item], int]) -> int:
    """Return an item's length, or 0 if it has none.

    ``ask`` rejects such an item, for example None for a missing text.
    """
    try:
        return length(item)
    except TypeError:
        if isinstance(item, str):
            raise
        return 0


def _answers(window: _Window[Item, Answer]) -> Iterator[tuple[Item, Answer | BertMlmError]]:
    """Wait for a window's answers and yield them in order."""
    items, groups = window
    found: dict[int, Answer | BertMlmError] = {}
    for group, future in groups:
        found.update(zip(group, future.result(), strict=True))
    for place, item in enumerate(items):
        yield item, found[place]


def _ask_each(ask: Callable[[Sequence[Item]], Sequence[Answer]], items: Sequence[Item]) -> _Answers[Answer]:
    """Answer items together, bisecting to isolate an invalid one."""
    try:
        return list(ask(items))
    except SignatureNotFoundError:
        raise
    except (InputError, RequestError) as error:
        if len(items) == 1:
            return [error]
    middle = len(items) // 2
    return _ask_each(ask, items[:middle]) + _ask_each(ask, items[middle:])


def group_by_length(lengths: Sequence[int]) -> list[list[int]]:
    """Group the indices of similar lengths, within both limits."""
    groups: list[list[int]] = []
    longest = 0
    # Longest first: a window's last groups are then its fastest, so that the next window starts sooner.
    for place in sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True):
        if groups and len(groups[-1]) < MAX_ROWS and (len(groups[-1]) + 1) * longest <= MAX_LENGTH:
            groups[-1].append(place)
        else:
            groups.append([place])
            longest = lengths[place]
    return groups
