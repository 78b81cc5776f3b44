"""Ask about any number of texts: bounded memory, several requests under way, answers in the order of the texts.

    with FillMask("grpc://127.0.0.1:8500") as client:
        for text, answer in ask_all(lines, client.fill, length=len):
            ...

The texts are read in windows. Within one they are sorted by length, so that those of a request are about as long as
each other and hardly anything is padded. A window's answers are yielded when it is complete, while the next is asked.
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
"""How many groups are asked about at once: enough that a server always has a batch waiting."""

WINDOW = 512
"""How many texts are sorted by length at a time."""

MAX_ROWS = 64
"""How many texts are in a group at most."""

MAX_LENGTH = 512
"""How long a group is at most, its longest text's length times its number of texts: a server's batch gains little
from more, and whoever asks beside it waits twice as long for twice as much."""


def ask_all(
    items: Iterable[Item],
    ask: Callable[[Sequence[Item]], Sequence[Answer]],
    *,
    length: Callable[[Item], int],
    workers: int = WORKERS,
    window: int = WINDOW,
    progress: Callable[[int], object] = lambda _: None,
) -> Generator[tuple[Item, Answer | BertMlmError], None, None]:
    """Yield every item with its answer, or with the error that is its own fault, in the order given.

    Items are read when there is room for them: at most two windows are held at a time. An iterable that ends early
    still has everything answered that was read from it; a caller who stops iterating drops what is under way.

    Args:
        items: what to ask about, such as texts.
        ask: answers several of them, in their order; called from ``workers`` threads.
        length: tells about how many tokens an item has.
        workers: how many groups are asked about at once.
        window: how many items are sorted by length at a time.
        progress: told of every group how many items of it are done, in any order.

    Raises:
        BertMlmError: an error that is no item's fault, such as a server that is down. What is yielded until then is
            a beginning of the items.
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
        pool.shutdown(wait=False, cancel_futures=True)  # what is still under way then, nobody waits for any more


_Answers = list[Answer | BertMlmError]
_Window = tuple[Sequence[Item], Sequence[tuple[Sequence[int], Future[_Answers[Answer]]]]]


def _submit(
    pool: ThreadPoolExecutor,
    items: Sequence[Item],
    ask: Callable[[Sequence[Item]], Sequence[Answer]],
    length: Callable[[Item], int],
    progress: Callable[[int], object],
) -> _Window[Item, Answer]:
    """Ask about a window: return its items, and for each group its places among them and its answers to come."""

    def answers(group: Sequence[int]) -> _Answers[Answer]:
        found = _ask_each(ask, [items[place] for place in group])
        progress(len(group))
        return found

    groups = group_by_length([_length_of(item, length) for item in items])
    # Each in a copy of the caller's context, which may hold a trace.
    return items, [(group, pool.submit(contextvars.copy_context().run, answers, group)) for group in groups]


def _length_of(item: Item, length: Callable[[Item], int]) -> int:
    """Return an item's length; one that has none, as None where a text was missing, is for ``ask`` to refuse."""
    try:
        return length(item)
    except TypeError:
        if isinstance(item, str):
            raise
        return 0


def _answers(window: _Window[Item, Answer]) -> Iterator[tuple[Item, Answer | BertMlmError]]:
    """Wait for a window's answers and yield them in its order."""
    items, groups = window
    found: dict[int, Answer | BertMlmError] = {}
    for group, future in groups:
        found.update(zip(group, future.result(), strict=True))
    for place, item in enumerate(items):
        yield item, found[place]


def _ask_each(ask: Callable[[Sequence[Item]], Sequence[Answer]], items: Sequence[Item]) -> _Answers[Answer]:
    """Ask about items together; if one of them is at fault, halve them until it stands alone."""
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
    """Return the places of lengths in groups of neighbours, at most ``MAX_ROWS`` and ``MAX_LENGTH`` together."""
    groups: list[list[int]] = []
    longest = 0
    # From long to short: a window's last groups are its quickest, and the next window's begin while they run.
    for place in sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True):
        if groups and len(groups[-1]) < MAX_ROWS and (len(groups[-1]) + 1) * longest <= MAX_LENGTH:
            groups[-1].append(place)
        else:
            groups.append([place])
            longest = lengths[place]
    return groups
