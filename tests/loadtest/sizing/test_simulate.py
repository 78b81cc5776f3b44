"""Test the simulation against results of queueing theory."""

import random

import pytest

from loadtest.sizing.simulate import Server, simulate


def test_constant_service_waits_as_in_the_textbook() -> None:
    """M/D/1: (2 - rho) / (2 mu (1 - rho)) in the system, 4 minutes at 20 arrivals and 30 services an hour.

    https://learn.saylor.org/mod/book/tool/print/index.php?chapterid=49648&id=61376, section 4.5.
    """
    hour_ms = 3_600_000
    server = Server(0.0, 0.0, lambda _size, _random: hour_ms / 30, largest_batch=1)
    found = simulate(server, 20 / 3600, arrivals=200_000)
    mean_minutes = sum(found.latencies_ms) / len(found.latencies_ms) / 60_000
    assert mean_minutes == pytest.approx(4.0, rel=0.03), "2 minutes of waiting and 2 of service"
    assert found.busy == pytest.approx(2 / 3, rel=0.02)


def test_exponential_service_has_the_textbooks_percentile() -> None:
    """M/M/1: the time in the system is exponential with rate mu - lambda, so that p95 is ln 20 / (mu - lambda)."""

    def run_ms(_size: int, numbers: random.Random) -> float:
        return 10 * numbers.expovariate(1.0)

    found = simulate(Server(0.0, 0.0, run_ms, largest_batch=1), 50, arrivals=200_000)
    assert found.latencies_ms[int(0.95 * len(found.latencies_ms))] == pytest.approx(2.9957 / 0.05, rel=0.05)


def test_the_event_loop_counts_like_service() -> None:
    """Without an engine's time it is M/D/1 again, in two halves of 1 ms."""
    found = simulate(Server(1.0, 1.0, lambda _size, _random: 0.0, largest_batch=1), 250, arrivals=100_000)
    assert found.busy == pytest.approx(0.5, rel=0.02)
    assert min(found.latencies_ms) == pytest.approx(2.0)


def test_batches_grow_with_the_rate_and_carry_what_single_requests_cannot() -> None:
    server = Server(0.0, 0.0, lambda size, _random: 10 + 0.5 * size, largest_batch=64)
    slow, fast = simulate(server, 10), simulate(server, 1000)
    assert slow.mean_batch < 1.1
    assert fast.mean_batch > 15
    assert fast.busy < 1
    assert max(fast.latencies_ms) < 200, "one request at a time carries 95 a second"
