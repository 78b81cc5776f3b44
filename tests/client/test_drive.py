"""An exchange runs the same with threads and with tasks."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar

import numpy as np
import pytest
from bert_mlm_client.drive import drive, drive_async
from bert_mlm_client.errors import OverloadedError
from bert_mlm_client.exchanges import Exchange
from bert_mlm_client.in_flight import MAX_IN_FLIGHT, send_all, send_all_async
from bert_mlm_client.transport import Answer, Request


def request(number: int) -> Request:
    return Request("count", {"number": np.array(number)}, ("number",))


def echo(asked: Request) -> Answer:
    return Answer(asked.inputs)


def refuse(_: Request) -> Answer:
    msg = "busy"
    raise OverloadedError(msg)


def with_threads(exchange: Exchange[object], send: Callable[[Request], Answer]) -> object:
    with ThreadPoolExecutor(MAX_IN_FLIGHT) as workers:
        return drive(exchange, lambda requests: send_all(requests, send, workers))


def with_tasks(exchange: Exchange[object], send: Callable[[Request], Answer]) -> object:
    async def send_async(asked: Request) -> Answer:
        await asyncio.sleep(0)
        return send(asked)

    return asyncio.run(drive_async(exchange, lambda requests: send_all_async(requests, send_async)))


@pytest.fixture(params=[with_threads, with_tasks])
def carry(request: pytest.FixtureRequest) -> Callable[..., object]:
    driver: Callable[..., object] = request.param
    return driver


def test_answers_have_the_order_of_their_requests(carry: Callable[..., object]) -> None:
    def exchange() -> Exchange[list[int]]:
        first = yield [request(number) for number in range(30)]
        second = yield [request(int(answer["number"]) * 2) for answer in first]
        nothing = yield []
        assert list(nothing) == []
        return [int(answer["number"]) for answer in second]

    assert carry(exchange(), echo) == [number * 2 for number in range(30)]


def test_an_exchange_may_handle_an_error(carry: Callable[..., object]) -> None:
    def exchange() -> Exchange[str]:
        try:
            yield [request(1), request(2)]
        except OverloadedError as error:
            return f"went on after {error}"
        return "never"

    assert carry(exchange(), refuse) == "went on after busy"


def test_an_unexpected_error_ends_the_exchange(carry: Callable[..., object]) -> None:
    def exchange() -> Exchange[None]:
        yield [request(number) for number in range(20)]

    with pytest.raises(OverloadedError, match="busy"):
        carry(exchange(), refuse)


def test_another_error_closes_the_exchange(carry: Callable[..., object]) -> None:
    closed = []

    def exchange() -> Exchange[None]:
        try:
            yield [request(1)]
        except OverloadedError:
            closed.append("thrown in")
        finally:
            closed.append("closed")

    def fail(_: Request) -> Answer:
        msg = "a fault"
        raise RuntimeError(msg)

    with pytest.raises(RuntimeError, match="a fault"):
        carry(exchange(), fail)
    assert closed == ["closed"]


def test_threads_run_concurrently_up_to_the_limit() -> None:
    together = threading.Barrier(MAX_IN_FLIGHT, timeout=20)

    def exchange() -> Exchange[int]:
        answers = yield [request(number) for number in range(MAX_IN_FLIGHT * 2)]
        return len(answers)

    def send(asked: Request) -> Answer:
        together.wait()
        return echo(asked)

    assert with_threads(exchange(), send) == MAX_IN_FLIGHT * 2


def test_threads_are_reused_by_later_exchanges() -> None:
    def exchange() -> Exchange[None]:
        yield [request(number) for number in range(MAX_IN_FLIGHT * 2)]

    seen: list[set[str]] = []

    def send(asked: Request) -> Answer:
        seen[-1].add(threading.current_thread().name)
        return echo(asked)

    with ThreadPoolExecutor(MAX_IN_FLIGHT, "kept") as workers:
        for _ in range(2):
            seen.append(set())
            drive(exchange(), lambda requests: send_all(requests, send, workers))
    assert all(name.startswith("kept") for names in seen for name in names)


def test_context_variables_reach_every_request(carry: Callable[..., object]) -> None:
    caller = ContextVar("caller", default="unset")
    seen = []

    def exchange() -> Exchange[None]:
        yield [request(1)]
        yield [request(number) for number in range(20)]

    def send(asked: Request) -> Answer:
        seen.append(caller.get())
        return echo(asked)

    token = caller.set("me")
    carry(exchange(), send)
    caller.reset(token)
    assert seen == ["me"] * 21


def test_tasks_run_concurrently_up_to_the_limit() -> None:
    under_way = most = 0

    async def send(asked: Request) -> Answer:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        return echo(asked)

    def exchange() -> Exchange[int]:
        answers = yield [request(number) for number in range(MAX_IN_FLIGHT * 2)]
        return len(answers)

    assert asyncio.run(drive_async(exchange(), lambda requests: send_all_async(requests, send))) == MAX_IN_FLIGHT * 2
    assert most == MAX_IN_FLIGHT
