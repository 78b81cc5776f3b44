"""Between the event loop, where requests wait for their answers, and the threads that run batches.

A queue decides what runs next and with whom; here are the threads that ask it, and the way back to the waiting
requests. A free thread takes its next batch by itself, without asking the loop: an engine never stands idle because
the loop is busy parsing, and a request that finds a thread free costs one hop there and one back (57 microseconds for
both on the event loop used here; an executor's was 65).
"""

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVarTuple

from deploy.embedded.batching import metrics
from deploy.embedded.batching.direct import closed
from deploy.embedded.engines import Array
from deploy.embedded.errors import Code, ServingError

Answer = dict[str, Array]
Arguments = TypeVarTuple("Arguments")


@dataclass(slots=True, eq=False)
class Task:
    """A request, or a part of one, that runs in one batch."""

    group: Hashable
    """Tasks of one group may run together."""
    signature: str
    inputs: Mapping[str, Array]
    outputs: tuple[str, ...]
    rows: int
    width: int = 0
    """Tokens in the longest row, where rows are known to have a length."""
    request_tokens: int = 0
    """The size of the whole request, of which this may be a part."""
    number: int = 0
    """The place in the order of arrival, where the queue counts."""
    since: float = field(default_factory=time.perf_counter)
    request: "Request | None" = None


class Request:
    """What one caller waits for: the answers to all tasks of its request."""

    def __init__(self, tasks: Sequence[Task], future: asyncio.Future[list[Answer]]) -> None:
        self.tasks = tasks
        self.loop = future.get_loop()
        self._future: asyncio.Future[list[Answer]] | None = future
        self._answers: dict[Task, Answer] = {}

    def finish(self, task: Task, answer: Answer | Exception) -> None:
        """Note the answer to one task; the last one, or the first error, wakes the caller if it still waits."""
        if self._future is None or self._future.done():
            return
        if isinstance(answer, Exception):
            self._future.set_exception(answer)
            return
        self._answers[task] = answer
        if len(self._answers) == len(self.tasks):
            self._future.set_result([self._answers[task] for task in self.tasks])

    def forget(self) -> None:
        """Let go of everything: caught in a cycle, it would hold its version until the garbage collector comes."""
        self.tasks, self._future, self._answers = (), None, {}


class Queue(Protocol):
    """Decides what runs next; one thread at a time calls it."""

    def add(self, request: Request) -> None:
        """Take in a request's tasks, all or none; the queue may cut them first.

        Raises:
            ServingError: UNAVAILABLE, there is no room, or INVALID_ARGUMENT, the request is too large.
        """

    def discard(self, task: Task) -> None:
        """Forget a task if it still waits."""

    def take(self, *, at_once: bool) -> list[Task]:
        """Return the tasks of the batch to run now, none if nothing is due; ``at_once`` makes everything due."""

    def due_s(self) -> float | None:
        """Return in how many seconds the next batch is due, if only time has to pass."""


class Scheduler:
    """Runs what a queue holds, in threads of its own."""

    def __init__(
        self, queue: Queue, execute: Callable[[Sequence[Task]], Sequence[Answer | Exception]], threads: int
    ) -> None:
        """Start.

        Args:
            queue: decides what runs next.
            execute: runs one batch and returns an answer, or an error, for each task.
            threads: how many batches run at the same time.
        """
        self._queue = queue
        self._execute = execute
        self._changed = threading.Condition(threading.Lock())
        self._waiting: deque[Request] = deque()
        """Requests that found no room, in order of arrival."""
        self._closing = False
        self._ended: list[asyncio.Future[None]] = []
        self._threads = threads
        for number in range(threads):
            threading.Thread(target=self._work, name=f"batch_{number}", daemon=True).start()

    async def run(self, tasks: Sequence[Task], *, wait_for_room: bool = False) -> list[Answer]:
        """Return the answers to a request's tasks; cancelling it takes what has not begun out of the queue.

        Args:
            tasks: the request.
            wait_for_room: wait where the queue is full, behind those that wait already.

        Raises:
            ServingError: there is no room, the request is too large, its run failed, or the version is closing.
        """
        future: asyncio.Future[list[Answer]] = asyncio.get_running_loop().create_future()
        request = Request(tasks, future)
        with self._changed:
            if self._closing:
                raise closed()
            if wait_for_room:
                self._waiting.append(request)
                self._admit()
            else:
                self._add(request)
        try:
            return await future
        except BaseException:
            with self._changed:
                with contextlib.suppress(ValueError):
                    self._waiting.remove(request)
                for task in request.tasks:
                    self._queue.discard(task)
            raise
        finally:
            request.forget()
            del future  # it has the error, whose traceback has this frame

    async def close(self) -> None:
        """Accept nothing new, and return when everything accepted has run."""
        ended = asyncio.get_running_loop().create_future()
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            if self._threads == 0:
                return
            self._ended.append(ended)
        await ended

    def _add(self, request: Request) -> None:
        """Put a request into the queue, and wake as many threads as it has tasks."""
        self._queue.add(request)
        for task in request.tasks:
            task.request = request
        self._changed.notify(len(request.tasks))

    def _admit(self) -> None:
        """Put waiting requests into the queue where there is room, the oldest of each group first."""
        full: set[Hashable] = set()
        for request in list(self._waiting):
            first = request.tasks[0]
            if first.group in full:
                continue
            try:
                self._add(request)
            except ServingError as error:
                if error.code is Code.UNAVAILABLE:
                    full.add(first.group)
                    continue
                _call(request.loop, request.finish, first, error)
            self._waiting.remove(request)

    def _work(self) -> None:
        while batch := self._next():
            now = time.perf_counter()
            for task in batch:
                metrics.count_wait(now - task.since)
            answers: Sequence[Answer | Exception]
            try:
                answers = self._execute(batch)
            except Exception as error:  # noqa: BLE001 - whatever it is, the callers must hear of it
                answers = [error] * len(batch)
            requests = [task.request for task in batch if task.request]
            _call(requests[0].loop, _deliver, requests, batch, answers)
            del batch, answers, requests, task  # a waiting thread holds nothing
        with self._changed:
            self._threads -= 1
            ended = [] if self._threads else self._ended
        for future in ended:
            _call(future.get_loop(), _end, future)

    def _next(self) -> list[Task]:
        """Wait for the next batch; it is empty when the scheduler has closed."""
        with self._changed:
            while not (batch := self._queue.take(at_once=self._closing)) and not self._closing:
                self._changed.wait(self._queue.due_s())
            if self._waiting:
                self._admit()
            return batch


def _deliver(requests: Sequence[Request], batch: Sequence[Task], answers: Sequence[Answer | Exception]) -> None:
    for request, task, answer in zip(requests, batch, answers, strict=True):
        request.finish(task, answer)


def _end(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _call(loop: asyncio.AbstractEventLoop, callback: Callable[[*Arguments], None], *arguments: *Arguments) -> None:
    with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody waits
        loop.call_soon_threadsafe(callback, *arguments)
