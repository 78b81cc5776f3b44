"""Retries, back-off, deadlines and the retry budget."""

import statistics
from random import Random

import pytest
from bert_mlm_client import (
    BertMlmError,
    DeadlineError,
    InputError,
    ModelNotFoundError,
    OverloadedError,
    ProtocolError,
    RequestError,
    Retry,
    ServerError,
    ServerTimeoutError,
    SignatureNotFoundError,
    UnreachableError,
)
from bert_mlm_client.transport.retry import Budget

from tests.client.transport.simulation import World

A, B = "grpc://10.0.0.1", "grpc://10.0.0.2"
PATIENT = Retry(attempts=6, initial_s=0.1, maximum_s=0.5)


def failing(error: BertMlmError, *urls: str) -> World:
    """Return a simulation in which all servers fail."""
    world = World()
    world.balancer(*urls or (A,))
    for server in world:
        server.error = error
    return world


@pytest.mark.parametrize("error", [OverloadedError("later"), UnreachableError("refused")])
def test_transient_errors_are_retried_with_exponential_backoff(error: BertMlmError) -> None:
    world = failing(error)
    with pytest.raises(type(error)) as raised:
        world.ask(world.balancer(A), PATIENT)
    assert world.pauses == pytest.approx([0.1, 0.2, 0.4, 0.5, 0.5])
    assert raised.value is error
    assert error.attempts == 6
    assert str(error).endswith("(6 attempts)")


@pytest.mark.parametrize(
    "kind",
    [
        ServerTimeoutError,
        ProtocolError,
        ServerError,
        ModelNotFoundError,
        RequestError,
        SignatureNotFoundError,
        DeadlineError,
    ],
)
def test_permanent_errors_are_not_retried(kind: type[BertMlmError]) -> None:
    world = failing(kind("no"), A, B)
    with pytest.raises(kind) as raised:
        world.ask(world.balancer(A, B), PATIENT)
    assert sum(server.asked for server in world) == 1
    assert raised.value.attempts == 1
    assert str(raised.value) == "no"


def test_without_retry_nothing_is_retried() -> None:
    world = failing(OverloadedError("later"), A, B)
    with pytest.raises(OverloadedError):
        world.ask(world.balancer(A, B), None)
    assert sum(server.asked for server in world) == 1


def test_backoff_has_full_jitter() -> None:
    uniform = Random(1).uniform
    pauses = [PATIENT.pause_s(OverloadedError("later"), 2, uniform) for _ in range(4000)]
    assert 0.0 <= min(pauses) < 0.01
    assert 0.19 < max(pauses) <= 0.2
    assert statistics.mean(pauses) == pytest.approx(0.1, rel=0.05)
    assert len(set(pauses)) == len(pauses)


def test_retry_after_is_honoured() -> None:
    error = OverloadedError("later")
    error.retry_after_s = 3.0
    world = failing(error)
    with pytest.raises(OverloadedError):
        world.ask(world.balancer(A), Retry(attempts=3), timeout=10.0)
    assert world.pauses == [3.0, 3.0]


def test_a_pause_beyond_the_deadline_is_skipped() -> None:
    error = OverloadedError("later")
    error.retry_after_s = 30.0
    world = failing(error)
    with pytest.raises(OverloadedError) as raised:
        world.ask(world.balancer(A), PATIENT, timeout=10.0)
    assert world.pauses == []
    assert raised.value.attempts == 1


def test_all_attempts_together_keep_to_the_timeout() -> None:
    world = failing(OverloadedError("later"))
    [server] = world
    server.takes_s = 0.4
    with pytest.raises(OverloadedError) as raised:
        world.ask(world.balancer(A), PATIENT, timeout=2.0)
    assert world.now - 1000.0 <= 2.0
    assert server.timeouts == pytest.approx([2.0, 1.5, 0.9, 0.1])
    assert raised.value.attempts == 4


def test_the_error_of_the_last_attempt_is_the_one_that_is_raised() -> None:
    world = failing(UnreachableError("refused"), A, B)
    world.servers["10.0.0.2:8500"].error = OverloadedError("later")
    with pytest.raises(BertMlmError) as raised:
        world.ask(world.balancer(A, B), Retry(attempts=2))
    assert isinstance(raised.value, OverloadedError)
    assert raised.value.attempts == 2


def test_the_retry_budget_limits_retries_during_an_outage() -> None:
    retry = Retry(budget=0.25, reserve=10)
    budget = Budget(retry)
    world = failing(OverloadedError("later"))
    [server] = world
    balancer = world.balancer(A)
    for _ in range(100):
        with pytest.raises(OverloadedError):
            world.ask(balancer, retry, budget)
    assert server.asked == 100 + 10  # only the reserve
    server.error = None
    for _ in range(40):
        world.ask(balancer, retry, budget)
    server.asked, server.error = 0, OverloadedError("later")
    for _ in range(100):
        with pytest.raises(OverloadedError):
            world.ask(balancer, retry, budget)
    assert server.asked == 100 + 10


def test_five_successes_pay_for_a_retry() -> None:
    budget = Budget(Retry(budget=0.25, reserve=1.0))
    assert budget.take()
    for _ in range(3):
        budget.earn()
        assert not budget.take()
    budget.earn()
    assert budget.take()


def test_a_budget_saves_no_more_than_its_reserve() -> None:
    budget = Budget(Retry(budget=1.0, reserve=2.0))
    for _ in range(10):
        budget.earn()
    assert [budget.take() for _ in range(3)] == [True, True, False]


def test_an_empty_budget_does_not_keep_a_call_from_another_server() -> None:
    world = World()
    balancer = world.balancer(A, B)
    world.servers["10.0.0.1:8500"].error = UnreachableError("refused")
    assert world.ask(balancer, Retry(reserve=0.0)) == "10.0.0.2:8500"
    assert world.pauses == []


@pytest.mark.parametrize("values", [{"attempts": 0}, {"initial_s": -1.0}, {"budget": -0.1}, {"maximum_s": -2.0}])
def test_invalid_values_are_rejected(values: dict[str, float]) -> None:
    with pytest.raises(InputError, match="is invalid; give 1 attempt or more"):
        Retry(**values)  # type: ignore[arg-type]  # attempts is an int, the others are floats
