"""Simulate a replica's event loop and engine.

Poisson arrivals first cost the event loop its time for a request. The engine runs one batch at a time, and takes what
waits when it is free (a queue with bulk service; Bailey, On queueing processes with bulk service, 1954). The event
loop preempts the engine, since both need the same cores: this delays a running batch by the arrivals during it.
"""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

_SEED = 11
_WARM_UP = 0.1  # share of the arrivals that fill the empty system


@dataclass(frozen=True, slots=True)
class Server:
    """The times of a replica.

    Attributes:
        arrival_ms: time of the event loop for a request before the engine.
        answer_ms: time of the event loop for a request after the engine.
        run_ms: returns the engine's time for a batch of a size.
        largest_batch: requests in a batch.
    """

    arrival_ms: float
    answer_ms: float
    run_ms: Callable[[int, random.Random], float]
    largest_batch: int


@dataclass(frozen=True, slots=True)
class Simulated:
    """A simulated run.

    Attributes:
        latencies_ms: sorted.
        busy: share of the time in which the replica works.
        mean_batch: requests in a batch.
    """

    latencies_ms: list[float]
    busy: float
    mean_batch: float


def simulate(server: Server, arrivals_s: float, arrivals: int = 20_000) -> Simulated:
    """Simulate a number of arrivals.

    The random numbers are the same for every rate.
    """
    gaps, runs = random.Random(_SEED), random.Random(_SEED + 1)  # noqa: S311 - a simulation
    now = idle = 0.0
    due = 1000 * gaps.expovariate(arrivals_s)
    left, batches = arrivals, 0
    loop: deque[tuple[float, bool]] = deque()  # (arrival, whether the engine has answered)
    loop_left = engine_left = 0.0
    waiting: deque[float] = deque()
    batch: list[float] = []
    latencies: list[float] = []
    while len(latencies) < arrivals:
        if not loop and not batch and waiting:
            batch = [waiting.popleft() for _ in range(min(len(waiting), server.largest_batch))]
            engine_left = server.run_ms(len(batch), runs)
            batches += 1
        work = loop_left if loop else engine_left if batch else float("inf")
        if left and due - now <= work:
            passed, now = due - now, due
            if loop:
                loop_left -= passed
            elif batch:
                engine_left -= passed
            else:
                idle += passed
            if not loop:
                loop_left = server.arrival_ms
            loop.append((due, False))
            left -= 1
            due += 1000 * gaps.expovariate(arrivals_s)
            continue
        now += work
        if loop:
            arrival, answered = loop.popleft()
            if answered:
                latencies.append(now - arrival)
            else:
                waiting.append(arrival)
            if loop:
                loop_left = server.answer_ms if loop[0][1] else server.arrival_ms
        else:
            loop.extend((arrival, True) for arrival in batch)
            batch, loop_left = [], server.answer_ms
    counted = sorted(latencies[int(_WARM_UP * arrivals) :])
    return Simulated(counted, 1 - idle / now, arrivals / batches)
