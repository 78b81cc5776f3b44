"""Find the number of replicas for a rate and target."""

import math
from dataclasses import dataclass

from loadtest.sizing.errors import SizingError
from loadtest.sizing.measured import Series
from loadtest.sizing.predict import Prediction, Times, predict

MOST_REPLICAS = 10_000


@dataclass(frozen=True, slots=True)
class Size:
    """What serves a rate.

    Attributes:
        replicas: processes.
        cores: of all replicas.
        memory_mb: of all replicas.
        each: one replica at its share of the rate, without headroom.
    """

    replicas: int
    cores: int
    memory_mb: float
    each: Prediction


def size(series: Series, requests_per_s: float, p95_ms: float, headroom: float) -> Size:
    """Return the fewest replicas that keep the target.

    They also keep it at the rate divided by ``1 - headroom``. The arrivals are divided evenly at random, so that each
    replica has Poisson arrivals; a round robin is smoother.

    Raises:
        SizingError: no number of replicas keeps the target, or an argument is out of range.
    """
    for name, value in {"--rps": requests_per_s, "--p95-ms": p95_ms}.items():
        if not (math.isfinite(value) and value > 0):
            msg = f"{name} must be a number above 0, not {value:g}"
            raise SizingError(msg)
    if not 0 <= headroom < 1:
        msg = f"--headroom must be from 0 to below 1, not {headroom:g}"
        raise SizingError(msg)
    peak_s = requests_per_s / (1 - headroom)
    capacity_s = Times.of(series).capacity_s
    idle = predict(series, capacity_s / 1000)
    if idle.p95_ms > p95_ms:
        msg = (
            f"no number of replicas answers in {p95_ms:g} ms: without any load, the 95th percentile of "
            f"{series.system} with {series.model} and {series.tokens:g} tokens is {idle.p95_ms:.1f} ms"
        )
        raise SizingError(msg)
    low, high = math.floor(peak_s / capacity_s), max(1, math.ceil(peak_s / (capacity_s / 1000)))
    while high - low > 1:  # low does not keep the target, high does
        middle = (low + high) // 2
        share_s = peak_s / middle
        if share_s < capacity_s and predict(series, share_s).p95_ms <= p95_ms:
            high = middle
        else:
            low = middle
    if high > MOST_REPLICAS:
        msg = f"{requests_per_s:g} requests a second need {high} replicas, more than this model is made for"
        raise SizingError(msg)
    return Size(high, high * series.cores, high * series.memory_mb, predict(series, requests_per_s / high))
