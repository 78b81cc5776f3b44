"""Queue requests in order of arrival, as TensorFlow Serving does.

The rules and texts are those of Queue in TensorFlow's shared_batch_scheduler.h, as set up by
tensorflow_serving/servables/tensorflow/bundle_factory_util.h: a queue for each set of inputs and outputs, its last
batch open for new requests; a batch is due when it is full, when another has been opened after it, or when its first
task has waited for the timeout. Two things differ: the threads belong to one version of a model, where TensorFlow
Serving shares them among all models; and a cancelled request leaves the queue.
"""

import time
from collections import deque
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace

from deploy.embedded.batching import parameters as defaults
from deploy.embedded.batching.scheduler import Request, Task
from deploy.embedded.engines import Array
from deploy.embedded.errors import Code, ServingError, invalid
from deploy.embedded.proto.config_pb2 import BatchingParameters


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of requests, batches and queues."""

    max_request_rows: int
    max_batch_size: int
    max_enqueued_batches: int
    timeout_s: float
    splitting: bool

    @classmethod
    def of(cls, parameters: BatchingParameters) -> "Limits":
        """Return the limits of a file, with TensorFlow Serving's defaults."""
        rows = parameters.max_batch_size.value if parameters.HasField("max_batch_size") else defaults.MAX_BATCH_SIZE
        splitting = parameters.enable_large_batch_splitting.value
        batches = parameters.max_enqueued_batches
        return cls(
            max_request_rows=rows,
            max_batch_size=(splitting and parameters.max_execution_batch_size.value) or rows,
            max_enqueued_batches=max(1, batches.value) if parameters.HasField("max_enqueued_batches") else 10,
            timeout_s=parameters.batch_timeout_micros.value / 1e6,
            splitting=splitting,
        )


@dataclass(slots=True, eq=False)
class _Batch:
    tasks: list[Task] = field(default_factory=list)
    rows: int = 0
    since: float = 0.0


class ArrivalQueue:
    """A queue of batches (see the module)."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._groups: dict[Hashable, deque[_Batch]] = {}

    def add(self, request: Request) -> None:
        """Enqueue a request of one task.

        It is split if it exceeds the open batch.
        """
        (task,) = request.tasks
        batches = self._groups.get(task.group, deque([_Batch()]))
        self._check_room(task, batches)
        self._groups[task.group] = batches
        left = self._limits.max_batch_size - batches[-1].rows
        if self._limits.splitting and task.rows > left:
            request.tasks = _cut(task, left, self._limits.max_batch_size)
        for part in request.tasks:
            if batches[-1].rows + part.rows > self._limits.max_batch_size:
                batches.append(_Batch())
            if not batches[-1].tasks:
                batches[-1].since = self._clock()
            batches[-1].tasks.append(part)
            batches[-1].rows += part.rows

    def discard(self, task: Task) -> None:
        """Remove a waiting task, and its batch if empty."""
        batches = self._groups.get(task.group, ())
        for batch in batches:
            if task in batch.tasks:
                batch.tasks.remove(task)
                batch.rows -= task.rows
                self._tidy(task.group)
                return

    def take(self, *, flush: bool) -> list[Task]:
        """Return the next due batch, round-robin over the groups."""
        for group, batches in self._groups.items():
            if len(batches) > 1 or flush or self._due_s(batches[0]) <= 0:
                tasks = batches.popleft().tasks
                del self._groups[group]
                self._groups[group] = batches  # moves the group to the end
                self._tidy(group)
                return tasks
        return []

    def due_s(self) -> float | None:
        """Return the seconds until the next open batch times out."""
        return min((self._due_s(batches[-1]) for batches in self._groups.values()), default=None)

    def _due_s(self, batch: _Batch) -> float:
        if batch.rows >= self._limits.max_batch_size:
            return 0.0
        return max(0.0, batch.since + self._limits.timeout_s - self._clock())

    def _tidy(self, group: Hashable) -> None:
        """Remove empty batches, and the group if none is left."""
        batches = deque(batch for batch in self._groups[group] if batch.tasks)
        if batches:
            self._groups[group] = batches
        else:
            del self._groups[group]

    def _check_room(self, task: Task, batches: deque[_Batch]) -> None:
        limits, enqueued, open_rows = self._limits, len(batches), batches[-1].rows
        if task.rows > limits.max_request_rows:
            msg = f"Task size {task.rows} is larger than maximum input batch size {limits.max_request_rows}"
            raise invalid(msg)
        if limits.splitting:
            capacity = (limits.max_enqueued_batches - enqueued + 1) * limits.max_batch_size - open_rows
            if task.rows > capacity:
                msg = (
                    "The batch scheduling queue to which this task was submitted is full; task size is "
                    f"{task.rows} but scheduling capacity is only {capacity} (num_enqueued_batches={enqueued}, "
                    f"max_enqueued_batches={limits.max_enqueued_batches}, open_batch_size={open_rows}, "
                    f"max_execution_batch_size={limits.max_batch_size})"
                )
                raise ServingError(Code.UNAVAILABLE, msg)
        elif open_rows + task.rows > limits.max_request_rows and enqueued >= limits.max_enqueued_batches:
            msg = (
                f"The batch scheduling queue to which this task was submitted is full; currently {enqueued} batches "
                f"enqueued and max_enqueued_batches is {limits.max_enqueued_batches}"
            )
            raise ServingError(Code.UNAVAILABLE, msg)


def _cut(task: Task, first: int, size: int) -> list[Task]:
    """Split a task's rows into batches.

    The first part fills the open batch, the next ones fill whole batches, and the last has the remaining rows.
    """
    starts = [0, *range(first, task.rows, size)] if first else list(range(0, task.rows, size))
    ends = [*starts[1:], task.rows]
    return [
        replace(task, inputs=_rows(task.inputs, start, end), rows=end - start)
        for start, end in zip(starts, ends, strict=True)
    ]


def _rows(inputs: Mapping[str, Array], start: int, end: int) -> dict[str, Array]:
    return {name: array[start:end] for name, array in inputs.items()}
