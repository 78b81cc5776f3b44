"""Load balancing, ejection and name resolution."""

import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
from bert_mlm_client import OverloadedError, ProtocolError, Retry, ServerTimeoutError, UnreachableError
from bert_mlm_client.transport.address import Servable
from bert_mlm_client.transport.balance import FIRST_PAUSE_S, LONGEST_PAUSE_S, LOOKUP_S, Balancer, look_up
from bert_mlm_client.transport.calls import call
from bert_mlm_client.transport.retry import Budget

from tests.client.transport.simulation import Scripted, World

A, B, C = "grpc://10.0.0.1", "grpc://10.0.0.2", "grpc://10.0.0.3"
DOWN = UnreachableError("refused")


@pytest.fixture
def world() -> World:
    return World()


def server(world: World, url: str) -> Scripted:
    return world.servers[f"{url.removeprefix('grpc://')}:8500"]


def test_healthy_servers_are_used_round_robin(world: World) -> None:
    assert set(world.shares(world.balancer(A, B, C), 30).values()) == {10}


def test_the_same_address_twice_is_one_server(world: World) -> None:
    assert world.shares(world.balancer(A, A), 4) == {"10.0.0.1:8500": 4}


def test_clients_start_with_different_servers() -> None:
    servables = [Servable.parse(url, model="m", version=None) for url in (A, B, C)]
    connect: Callable[[Servable], str] = str
    first = {Balancer(servables, connect).choose().transport for _ in range(60)}
    assert len(first) == 3


def test_an_unreachable_server_fails_no_call_and_is_ejected(world: World) -> None:
    balancer = world.balancer(A, B, C)
    server(world, B).error = DOWN
    shares = world.shares(balancer, 30)
    assert shares["10.0.0.2:8500"] == 0
    assert server(world, B).asked == 1
    assert abs(shares["10.0.0.1:8500"] - shares["10.0.0.3:8500"]) <= 2
    assert world.pauses == []


def test_a_recovered_server_gets_its_share(world: World) -> None:
    balancer = world.balancer(A, B)
    server(world, B).error = DOWN
    world.shares(balancer, 4)
    server(world, B).error = None
    world.now += FIRST_PAUSE_S
    assert set(world.shares(balancer, 20).values()) == {10}
    assert world.probes == ["10.0.0.2:8500"]


def test_the_pause_before_a_probe_grows_to_a_limit(world: World) -> None:
    balancer = world.balancer(A, B)
    server(world, B).error = DOWN
    world.shares(balancer, 2)
    set_aside = world.now
    probed_at: list[float] = []
    for _ in range(3000):
        world.now += 0.01
        world.ask(balancer)
        if len(world.probes) > len(probed_at):
            probed_at.append(world.now - set_aside)
    gaps = [later - earlier for earlier, later in zip([0.0, *probed_at], probed_at, strict=False)]
    half = 0.5  # the simulation always draws the shortest pause, half of the limit
    expected = [FIRST_PAUSE_S * half, FIRST_PAUSE_S * 2 * half, FIRST_PAUSE_S * 4 * half, FIRST_PAUSE_S * 8 * half]
    assert gaps[:4] == pytest.approx(expected, abs=0.02)
    assert gaps[-1] == pytest.approx(LONGEST_PAUSE_S * half, abs=0.02)
    assert server(world, B).asked == 1  # no call paid for a probe


def test_a_server_is_probed_once_at_a_time(world: World) -> None:
    balancer = world.balancer(A, B)
    server(world, B).error = DOWN
    world.shares(balancer, 2)
    world.now += FIRST_PAUSE_S
    [due] = balancer.due()
    assert balancer.due() == []
    balancer.probed(due, is_available=False)
    assert balancer.due() == []


def test_concurrent_failures_count_once(world: World) -> None:
    balancer = world.balancer(A, B)
    chosen = [balancer.choose() for _ in range(16)]
    for one in chosen:
        if one.transport.name == "10.0.0.1:8500":
            balancer.failed(one, DOWN)
    assert {one.failures for one in chosen} == {0, 1}


def test_when_all_are_down_the_first_to_recover_answers(world: World) -> None:
    balancer = world.balancer(A, B)
    for one in world:
        one.error = UnreachableError("refused")
    for _ in range(2):
        with pytest.raises(UnreachableError):
            world.ask(balancer, Retry())
    assert {one.asked for one in world} == {4}
    server(world, A).error = None
    assert world.ask(balancer, Retry()) == "10.0.0.1:8500"


def test_a_server_that_timed_out_is_probed_first(world: World) -> None:
    balancer = world.balancer(A, B)
    server(world, A).error = ServerTimeoutError("late")
    with pytest.raises(ServerTimeoutError):
        world.ask(balancer)
    assert [world.ask(balancer) for _ in range(4)] == ["10.0.0.2:8500"] * 4
    assert world.probes == ["10.0.0.1:8500"]
    server(world, A).error = None
    world.now += LONGEST_PAUSE_S
    assert set(world.shares(balancer, 10).values()) == {5}


@pytest.mark.parametrize("error", [OverloadedError("later"), ProtocolError("a web page")])
def test_a_server_that_answers_is_not_ejected(world: World, error: Exception) -> None:
    balancer = world.balancer(A, B)
    chosen = balancer.choose()
    balancer.failed(chosen, error)  # type: ignore[arg-type]  # a BertMlmError, like all in the list
    assert {balancer.choose().transport.name for _ in range(2)} == {"10.0.0.1:8500", "10.0.0.2:8500"}


def test_a_retry_after_overload_uses_another_server(world: World) -> None:
    balancer = world.balancer(A, B)
    server(world, A).error = OverloadedError("later")
    assert [world.ask(balancer, Retry()) for _ in range(4)] == ["10.0.0.2:8500"] * 4
    assert len(world.pauses) == 4


def test_an_abandoned_call_leaves_no_state(world: World) -> None:
    balancer = world.balancer(A)
    steps = call(balancer, Retry(), Budget(Retry()), 1.0)
    next(steps)
    steps.close()
    assert balancer.choose().in_flight == 1


class Names:
    """A resolver whose answers the test can change."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)
        self.asked = threading.Semaphore(0)

    def __call__(self, host: str, port: int) -> list[str]:
        assert (host, port) == ("models.example", 8500)
        self.asked.release()
        if not self.addresses:
            msg = "Name or service not known"
            raise OSError(msg)
        return self.addresses


def named(world: World, names: Callable[[str, int], list[str]]) -> Balancer[Scripted]:
    servable = Servable.parse("grpc://models.example", model="m", version=None)
    return Balancer([servable], world.connect, clock=world.clock, uniform=lambda low, _: low, lookup=names)


def test_a_name_is_as_many_servers_as_it_has_addresses(world: World) -> None:
    balancer = named(world, Names("10.0.0.1", "10.0.0.2"))
    assert balancer.choose().transport.name == "models.example:8500"  # not yet resolved; the transport does it itself
    balancer.look_up()
    assert world.shares(balancer, 10) == {"models.example:8500": 0, "10.0.0.1:8500": 5, "10.0.0.2:8500": 5}


def test_a_name_with_one_address_is_left_to_the_transport(world: World) -> None:
    balancer = named(world, Names("10.0.0.1"))
    balancer.look_up()
    assert world.shares(balancer, 2) == {"models.example:8500": 2}


def test_servers_follow_the_names_addresses(world: World) -> None:
    names = Names("10.0.0.1", "10.0.0.2")
    balancer = named(world, names)
    balancer.look_up()
    names.addresses = ["10.0.0.2", "10.0.0.3"]
    balancer.look_up()
    assert world.shares(balancer, 10)["10.0.0.3:8500"] == 5
    assert server(world, A).is_closed
    assert not server(world, B).is_closed


def test_a_server_that_leaves_is_closed_when_its_last_request_is_done(world: World) -> None:
    names = Names("10.0.0.1", "10.0.0.2")
    balancer = named(world, names)
    balancer.look_up()
    chosen = next(one for one in (balancer.choose() for _ in range(2)) if one.transport.name == "10.0.0.1:8500")
    names.addresses = ["10.0.0.2", "10.0.0.3"]
    balancer.look_up()
    world.ask(balancer)
    assert not chosen.transport.is_closed
    balancer.release(chosen)
    world.ask(balancer)
    assert chosen.transport.is_closed


def test_a_failed_lookup_keeps_the_servers(world: World) -> None:
    names = Names("10.0.0.1", "10.0.0.2")
    balancer = named(world, names)
    balancer.look_up()
    names.addresses = []
    balancer.look_up()
    assert set(world.shares(balancer, 4)) >= {"10.0.0.1:8500", "10.0.0.2:8500"}


def test_a_name_is_resolved_at_the_first_call_and_when_stale(world: World) -> None:
    names = Names("10.0.0.1")
    balancer = named(world, names)
    world.ask(balancer)
    assert names.asked.acquire(timeout=20)
    world.now += LOOKUP_S - 1
    world.ask(balancer)
    assert not names.asked.acquire(blocking=False)
    world.now += 1
    world.ask(balancer)
    assert names.asked.acquire(timeout=20)


def test_a_name_is_resolved_again_when_no_server_answers(world: World) -> None:
    names = Names("10.0.0.1", "10.0.0.2")
    balancer = named(world, names)
    world.ask(balancer)
    assert names.asked.acquire(timeout=20)
    balancer.look_up()
    assert names.asked.acquire(timeout=20)
    for one in world:
        one.error = UnreachableError("refused")
    world.now += 2
    for _ in range(2):
        with pytest.raises(UnreachableError):
            world.ask(balancer, Retry())
    assert names.asked.acquire(timeout=20)


def test_concurrent_lookups_of_a_name_are_merged(world: World) -> None:
    names = Names("10.0.0.1")
    is_over = threading.Event()
    answer = names.__call__

    def slow(host: str, port: int) -> list[str]:
        found = answer(host, port)
        is_over.wait(20)
        return found

    balancer = named(world, slow)
    for _ in range(5):
        world.ask(balancer)
        world.now += LOOKUP_S
    assert names.asked.acquire(timeout=20)
    assert not names.asked.acquire(blocking=False)
    is_over.set()


def test_a_lookup_that_ends_after_close_opens_no_connection(world: World) -> None:
    balancer = named(world, Names("10.0.0.1", "10.0.0.2"))
    assert [transport.name for transport in balancer.close()] == ["models.example:8500"]
    balancer.look_up()
    assert set(world.servers) == {"models.example:8500"}


def addresses(*pairs: tuple[int, str]) -> Callable[..., list[Any]]:
    return lambda *_, **__: [(family, socket.SOCK_STREAM, 6, "", (address, 1)) for family, address in pairs]


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ([(socket.AF_INET6, "::1"), (socket.AF_INET, "127.0.0.1")], ["::1"]),
        ([(socket.AF_INET, "10.0.0.2"), (socket.AF_INET, "10.0.0.1")], ["10.0.0.1", "10.0.0.2"]),
        ([(socket.AF_INET6, "fd::1"), (socket.AF_INET, "10.0.0.1"), (socket.AF_INET6, "fd::2")], ["fd::1", "fd::2"]),
        ([(socket.AF_INET, "10.0.0.1"), (socket.AF_INET, "10.0.0.1")], ["10.0.0.1"]),
    ],
)
def test_a_name_uses_the_first_address_family(
    monkeypatch: pytest.MonkeyPatch, known: list[tuple[int, str]], expected: list[str]
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", addresses(*known))
    assert look_up("models.example", 8500) == expected
