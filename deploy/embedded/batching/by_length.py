"""Queue sentences, and batch those of similar length.

A run of a transformer costs a fixed time and a time for each token: on 2 cores, with the model of models/demo,
3 ms and 45 microseconds. Padding costs little: the exported graphs leave it out of every product except attention,
which is a small part of the cost for sentences and a larger one for pages. Two rules follow.

Which tasks form a batch. A batch has at most ``max_batch_size`` rows and ``max_tokens`` tokens, padding included: from
512 tokens on, twice the tokens gain 12 to 19 % in speed and double the waiting time of all others. Starting from one
task, neighbours in length are added while padding stays below half of the batch plus ``_RUN_TOKENS``.

Which batch runs first. Batches are formed alternately around the oldest task and around a task of the smallest request.
There is no starvation: every second batch contains the oldest task. And a short request never waits behind a queue of
long ones: besides the running batches, it waits for one batch of long requests (of at most ``max_tokens``, as long
requests are split) and for requests no longer than itself. With 64 callers of mixed lengths the median wait is half of
that of first come, first served, and the longest sentences wait 1.5 times as long (a simulation with the costs above).

There is no batch timeout: a free thread runs what is queued. Requests queue up while every thread is busy, so batches
grow with the load, and an idle server answers at once.
"""

from bisect import bisect_left, insort
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from itertools import count
from operator import attrgetter

from deploy.embedded.batching.scheduler import Request, Task
from deploy.embedded.errors import Code, ServingError, invalid
from deploy.embedded.proto.config_pb2 import BatchingParameters

# The fixed cost of a run in tokens (66 for models/demo, about 20 for bert-base): less padding is cheaper than a run.
_RUN_TOKENS = 32

_TOKENS_PER_ROW = 8
"""Row length at which both limits of a batch are reached; longer rows make smaller batches."""

_sort_key = attrgetter("width", "number")
_request_tokens = attrgetter("request_tokens")


@dataclass(frozen=True, slots=True)
class Limits:
    """The size limits of a batch and the queue."""

    max_batch_size: int = 64
    max_enqueued_batches: int = 32
    max_request_rows: int | None = None
    """Larger requests are rejected; None is no limit."""

    @property
    def max_tokens(self) -> int:
        """The maximum of tokens in a batch, padding included.

        A single row may have more.
        """
        return self.max_batch_size * _TOKENS_PER_ROW

    @classmethod
    def of(cls, parameters: BatchingParameters) -> "Limits":
        """Return the limits of a file, with defaults."""
        limits = cls()
        size, batches, largest = limits.max_batch_size, limits.max_enqueued_batches, limits.max_request_rows
        if parameters.HasField("max_batch_size"):
            size = largest = parameters.max_batch_size.value
        if parameters.HasField("max_enqueued_batches"):
            batches = max(1, parameters.max_enqueued_batches.value)
        if parameters.enable_large_batch_splitting.value and parameters.HasField("max_execution_batch_size"):
            size = parameters.max_execution_batch_size.value
        return cls(size, batches, largest)


class LengthQueue:
    """A queue ordered by age and length (see the module)."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._by_age: dict[Task, None] = {}
        self._by_width: dict[Hashable, list[Task]] = {}
        self._numbers = count()
        self._rows = 0
        self._oldest_first = True

    def add(self, request: Request) -> None:
        """Enqueue a request (see ``Queue.add``).

        An empty queue accepts a request of any size.
        """
        rows, size = sum(task.rows for task in request.tasks), self._limits.max_batch_size
        largest = self._limits.max_request_rows
        if largest is not None and rows > largest:
            msg = f"Task size {rows} is larger than maximum input batch size {largest}"
            raise invalid(msg)
        if self._rows and self._rows + rows > size * self._limits.max_enqueued_batches:
            msg = (
                "The batch scheduling queue to which this task was submitted is full; currently "
                f"{-(-self._rows // size)} batches enqueued and max_enqueued_batches is "
                f"{self._limits.max_enqueued_batches}"
            )
            raise ServingError(Code.UNAVAILABLE, msg)
        self._rows += rows
        for task in request.tasks:
            self._by_age[task] = None
            task.number = next(self._numbers)
            insort(self._by_width.setdefault(task.group, []), task, key=_sort_key)

    def discard(self, task: Task) -> None:
        """Remove a waiting task."""
        if task in self._by_age:
            self._remove(task)

    def take(self, *, flush: bool) -> list[Task]:  # noqa: ARG002 - every task is due at any time
        """Return the next batch.

        It is empty only if the queue is empty.
        """
        if not self._by_age:
            return []
        first = next(iter(self._by_age)) if self._oldest_first else min(self._by_age, key=_request_tokens)
        self._oldest_first = not self._oldest_first
        batch = [first, *self._neighbours(first)]
        for task in batch:
            self._remove(task)
        return batch

    def due_s(self) -> None:
        """Return None, as batches have no timeout."""

    def _neighbours(self, first: Task) -> Iterator[Task]:
        """Yield tasks of similar length for the batch of ``first``.

        Each adds the least padding among the neighbours in length that fit.
        """
        near = self._by_width[first.group]
        low = high = _index(near, first)
        rows, width, tokens = first.rows, first.width, first.rows * first.width
        while True:
            best, least = None, 0
            for task in near[max(0, low - 1) : low] + near[high + 1 : high + 2]:
                total = (rows + task.rows) * max(width, task.width)
                own = tokens + task.rows * task.width
                if (
                    rows + task.rows <= self._limits.max_batch_size
                    and total <= self._limits.max_tokens
                    and total - own <= _RUN_TOKENS + own
                    and (best is None or total - own <= least)
                ):
                    best, least = task, total - own
            if best is None:
                return
            if low and near[low - 1] is best:
                low -= 1
            else:
                high += 1
            rows, width, tokens = rows + best.rows, max(width, best.width), tokens + best.rows * best.width
            yield best

    def _remove(self, task: Task) -> None:
        del self._by_age[task]
        self._rows -= task.rows
        near = self._by_width[task.group]
        del near[_index(near, task)]
        if not near:
            del self._by_width[task.group]


def _index(near: list[Task], task: Task) -> int:
    """Return a task's index by width and age."""
    return bisect_left(near, _sort_key(task), key=_sort_key)
