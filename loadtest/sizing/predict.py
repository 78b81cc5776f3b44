"""Predict a replica's latency and CPU time at a rate.

The closed loops give the times of the simulation. Over n connections all n requests are in one batch, or soon are, so
that n answers take ``fixed + each * n``: two numbers, fitted to all points. Both contain the event loop's part, whose
time for a request falls with n, as one iteration of the loop serves several. Poisson arrivals come one by one, so that
each costs what it costs over one connection; answers come in batches.
"""

import math
import random
from dataclasses import dataclass

import numpy as np

from loadtest.sizing.measured import Point, Series
from loadtest.sizing.simulate import Server, simulate

_Z95 = 1.645
_BATCH_ROWS = 64
_BATCH_TOKENS = 512
"""The light engine's limits of a batch (``deploy/embedded/batching/by_length.py``)."""


@dataclass(frozen=True, slots=True)
class Times:
    """The times of a replica, fitted to its closed loops.

    Attributes:
        fixed_ms: for a batch of any size.
        each_ms: for each of its requests, event loop included.
        loop_ms: the event loop's part of ``each_ms``.
        loop_fixed_ms: the event loop's part of ``fixed_ms``.
        spread: standard deviation of the logarithm of a request's time.
        largest_batch: requests in a batch.
    """

    fixed_ms: float
    each_ms: float
    loop_ms: float
    loop_fixed_ms: float
    spread: float
    largest_batch: int

    @classmethod
    def of(cls, series: Series) -> "Times":
        """Fit the times with the least relative error."""
        largest = max(1, min(_BATCH_ROWS, int(_BATCH_TOKENS / series.tokens)))
        cycles = [1000 * point.connections / point.requests_per_s for point in series.points]
        batches = [math.ceil(point.connections / largest) for point in series.points]
        matrix = [
            [count / cycle, point.connections / cycle]
            for count, point, cycle in zip(batches, series.points, cycles, strict=True)
        ]
        fixed, each = np.linalg.lstsq(np.array(matrix), np.ones(len(cycles)), rcond=None)[0]
        one = series.points[0]
        fixed_ms, each_ms = max(float(fixed), 0.0), float(each)
        loop_ms = min([point.loop_ms for point in series.points] + [each_ms])
        return cls(
            fixed_ms=fixed_ms,
            each_ms=each_ms,
            loop_ms=loop_ms,
            loop_fixed_ms=min(one.loop_ms - loop_ms, fixed_ms),
            spread=math.log(max(one.p95_ms / one.p50_ms, 1.0)) / _Z95,
            largest_batch=largest,
        )

    @property
    def capacity_s(self) -> float:
        """The throughput of Poisson arrivals with full batches."""
        run_ms = (self.fixed_ms - self.loop_fixed_ms) / self.largest_batch
        return 1000 / (self.each_ms + self.arrival_extra_ms + run_ms)

    @property
    def arrival_extra_ms(self) -> float:
        """The event loop's additional time for an open-loop arrival."""
        return self.loop_fixed_ms / 2

    def server(self) -> Server:
        """Return the simulation's server."""
        engine_ms, fixed_ms = self.each_ms - self.loop_ms, self.fixed_ms - self.loop_fixed_ms

        def run_ms(requests: int, random_numbers: random.Random) -> float:
            # The lengths of the batch's texts are independent, so that their mean varies less.
            spread = self.spread / math.sqrt(requests)
            factor = random_numbers.lognormvariate(-(spread**2) / 2, spread)
            return (fixed_ms + engine_ms * requests) * factor

        half_ms = self.loop_ms / 2
        return Server(half_ms + self.arrival_extra_ms, half_ms, run_ms, self.largest_batch)


@dataclass(frozen=True, slots=True)
class Prediction:
    """A replica at a rate.

    Attributes:
        p95_ms: 95th percentile of the latency.
        cores_busy: CPU seconds a second.
        busy: share of the time in which it works.
        memory_mb: its memory.
    """

    requests_per_s: float
    p50_ms: float
    p95_ms: float
    cores_busy: float
    busy: float
    memory_mb: float


def predict(series: Series, requests_per_s: float) -> Prediction:
    """Predict a replica at Poisson arrivals below its capacity."""
    found = simulate(Times.of(series).server(), requests_per_s)
    ranked = found.latencies_ms
    return Prediction(
        requests_per_s,
        ranked[len(ranked) // 2],
        ranked[int(0.95 * len(ranked))],
        min(requests_per_s * _cpu_ms(series.points, found.mean_batch) / 1000, series.cores),
        found.busy,
        series.memory_mb,
    )


def _cpu_ms(points: tuple[Point, ...], batch: float) -> float:
    """Return a request's CPU time by mean batch size.

    An arrival, half of the event loop's time, costs what it costs over one connection.
    """
    sizes = [point.connections for point in points]
    cpu_ms = float(np.interp(batch, sizes, [point.cpu_ms for point in points]))
    loop_ms = float(np.interp(batch, sizes, [point.loop_ms for point in points]))
    return cpu_ms + (points[0].loop_ms - loop_ms) / 2
