"""Test due batches and a full queue as in TensorFlow Serving."""

import asyncio

import pytest

from deploy.embedded.batching import by_arrival
from deploy.embedded.batching.scheduler import Request, Task
from deploy.embedded.errors import ServingError
from tests.deploy.embedded.batching.scripted import parameters, plain


def test_a_batch_is_due_when_it_is_full_or_followed_or_has_waited() -> None:
    now = 100.0
    queue = by_arrival.ArrivalQueue(
        by_arrival.Limits.of(parameters(max_batch_size=3, batch_timeout_micros=2_000_000)), clock=lambda: now
    )

    def add(rows: int, group: str = "a") -> Task:
        task = Task(group, "plain", plain(*range(rows)), ("sum",), rows)
        queue.add(Request([task], asyncio.Future(loop=loop)))
        return task

    loop = asyncio.new_event_loop()
    first = add(2)
    assert (queue.take(flush=False), queue.due_s()) == ([], 2.0)
    now = 101.0
    assert (queue.take(flush=False), queue.due_s()) == ([], 1.0)
    now = 102.0
    assert queue.take(flush=False) == [first]
    assert queue.due_s() is None
    full = [add(1), add(2)]
    other = [add(1, "b"), add(2, "b")]
    add(1)
    assert [queue.take(flush=False) for _ in range(3)] == [full, other, []]
    last = add(3)
    assert len(queue.take(flush=False)) == 1
    assert [queue.take(flush=False), queue.take(flush=True)] == [[last], []]
    loop.close()


def test_capacity_with_splitting_is_upstreams() -> None:
    queue = by_arrival.ArrivalQueue(
        by_arrival.Limits.of(
            parameters(
                max_batch_size=10,
                max_execution_batch_size=2,
                enable_large_batch_splitting=True,
                max_enqueued_batches=2,
                batch_timeout_micros=1,
            )
        ),
        clock=lambda: 0.0,
    )
    loop = asyncio.new_event_loop()
    queue.add(Request([Task("a", "plain", plain(1), ("sum",), 1)], asyncio.Future(loop=loop)))
    with pytest.raises(ServingError) as refused:
        queue.add(Request([Task("a", "plain", plain(1, 2, 3, 4), ("sum",), 4)], asyncio.Future(loop=loop)))
    assert refused.value.message == (
        "The batch scheduling queue to which this task was submitted is full; task size is 4 but scheduling capacity "
        "is only 3 (num_enqueued_batches=1, max_enqueued_batches=2, open_batch_size=1, max_execution_batch_size=2)"
    )
    loop.close()
