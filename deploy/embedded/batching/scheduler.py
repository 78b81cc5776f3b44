"""Run batches in threads and answer on the event loop.

A queue decides which tasks form the next batch. A free thread takes it without the event loop, so the engine is never
idle because the loop is busy parsing. A request costs one thread switch each way (57 microseconds for both with this
event loop; with an executor 65).
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
from deploy.embedded.batching.direct import unloading_error
from deploy.embedded.engines import Array
from deploy.embedded.errors import Code, ServingError

Answer = dict[str, Array]
Arguments = TypeVarTuple("Arguments")


@dataclass(slots=True, eq=False)
class Task:
    """All or part of a request, run in one batch."""

    group: Hashable
    """Only tasks of the same group share a batch."""
    signature: str
    inputs: Mapping[str, Array]
    outputs: tuple[str, ...]
    rows: int
    width: int = 0
    """Tokens in the longest row; 0 if unknown."""
    request_tokens: int = 0
    """Tokens of the whole request."""
    number: int = 0
    """The order of arrival, if the queue sets it."""
    since: float = field(default_factory=time.perf_counter)
    request: "Request | None" = None


class Request:
    """A request's tasks and the future of its answers."""

    def __init__(self, tasks: Sequence[Task], future: asyncio.Future[list[Answer]]) -> None:
        self.tasks = tasks
        self.loop = future.get_loop()
        self._future: asyncio.Future[list[Answer]] | None = future
        self._answers: dict[Task, Answer] = {}

    def finish(self, task: Task, answer: Answer | Exception) -> None:
        """Store a task's answer.

        The last one, or the first error, resolves the future.
        """
        if self._future is None or self._future.done():
            return
        if isinstance(answer, Exception):
            self._future.set_exception(answer)
            return
        self._answers[task] = answer
        if len(self._answers) == len(self.tasks):
            self._future.set_result([self._answers[task] for task in self.tasks])

    def release(self) -> None:
        """Clear all references.

        A cycle would keep the version alive until the next garbage collection.
        """
        self.tasks, self._future, self._answers = (), None, {}


class Queue(Protocol):
    """Select the next batch.

    Its methods are called under a lock.
    """

    def add(self, request: Request) -> None:
        """Enqueue all tasks of a request.

        The queue may split them.

        Raises:
            ServingError: UNAVAILABLE, the queue is full, or INVALID_ARGUMENT, the request is too large.
        """

    def discard(self, task: Task) -> None:
        """Remove a waiting task."""

    def take(self, *, flush: bool) -> list[Task]:
        """Return the tasks of the next due batch, if any.

        ``flush`` makes all batches due.
        """

    def due_s(self) -> float | None:
        """Return the seconds until the next batch timeout, if any."""


class Scheduler:
    """Run the batches of a queue in its own threads."""

    def __init__(
        self, queue: Queue, execute: Callable[[Sequence[Task]], Sequence[Answer | Exception]], threads: int
    ) -> None:
        """Start the threads.

        Args:
            queue: selects the next batch.
            execute: runs one batch and returns an answer, or an error, for each task.
            threads: the number of batches in parallel.
        """
        self._queue = queue
        self._execute = execute
        self._changed = threading.Condition(threading.Lock())
        self._waiting: deque[Request] = deque()
        """Requests that wait for room in the queue, in order of arrival."""
        self._closing = False
        self._ended: list[asyncio.Future[None]] = []
        self._threads = threads
        for number in range(threads):
            threading.Thread(target=self._work, name=f"batch_{number}", daemon=True).start()

    async def run(self, tasks: Sequence[Task], *, wait_for_room: bool = False) -> list[Answer]:
        """Return the answers to a request's tasks.

        Cancelling discards those that have not begun.

        Args:
            tasks: the request.
            wait_for_room: wait if the queue is full, behind requests that wait already.

        Raises:
            ServingError: the queue is full, the request is too large, its run failed, or the version is closing.
        """
        future: asyncio.Future[list[Answer]] = asyncio.get_running_loop().create_future()
        request = Request(tasks, future)
        with self._changed:
            if self._closing:
                raise unloading_error()
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
            request.release()
            del future  # breaks the cycle future -> error -> traceback -> this frame

    async def close(self) -> None:
        """Reject new requests and wait for the accepted ones."""
        ended = asyncio.get_running_loop().create_future()
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            if self._threads == 0:
                return
            self._ended.append(ended)
        await ended

    def _add(self, request: Request) -> None:
        """Enqueue a request, and wake a thread for each task."""
        self._queue.add(request)
        for task in request.tasks:
            task.request = request
        self._changed.notify(len(request.tasks))

    def _admit(self) -> None:
        """Enqueue waiting requests while there is room.

        The oldest request of each group comes first.
        """
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
            except Exception as error:  # noqa: BLE001 - every exception goes to the callers
                answers = [error] * len(batch)
            requests = [task.request for task in batch if task.request]
            _call(requests[0].loop, _deliver, requests, batch, answers)
            del batch, answers, requests, task  # an idle thread must not keep references
        with self._changed:
            self._threads -= 1
            ended = [] if self._threads else self._ended
        for future in ended:
            _call(future.get_loop(), _end, future)

    def _next(self) -> list[Task]:
        """Wait for the next batch.

        An empty one means that the scheduler has closed.
        """
        with self._changed:
            while not (batch := self._queue.take(flush=self._closing)) and not self._closing:
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
    with contextlib.suppress(RuntimeError):  # the loop is closed, and no caller is waiting
        loop.call_soon_threadsafe(callback, *arguments)
