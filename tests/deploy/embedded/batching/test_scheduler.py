"""Test requests that wait, are cancelled or arrive during the close."""

import asyncio
import contextlib
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from deploy.embedded.batching import DirectRunner, SignatureRunner
from deploy.embedded.batching.contract import ContractRunner
from deploy.embedded.errors import Code, ServingError
from tests.deploy.embedded.batching.scripted import Busy, Scripted, ask, concat, parameters, plain, queued, sentences


async def test_a_cancelled_run_is_finished_and_its_answer_dropped(busy: Busy, engine: Scripted) -> None:
    runner, running = busy
    mate = ask(runner, sentences(3))
    await queued()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    engine.free()
    assert (await mate)["cls"].tolist() == [[1]]


@pytest.mark.parametrize("way", ["contract", "concat", "direct"])
async def test_closing_finishes_what_was_accepted_and_accepts_nothing_more(engine: Scripted, way: str) -> None:
    with ThreadPoolExecutor(1) as threads:
        ways: dict[str, Callable[[], SignatureRunner]] = {
            "contract": lambda: ContractRunner(engine, parameters()),
            "concat": lambda: concat(engine, max_batch_size=2),
            "direct": lambda: DirectRunner(engine, threads),
        }
        runner = ways[way]()
        name, inputs = ("plain", plain(1)) if way == "concat" else ("features", sentences(1))
        accepted = [ask(runner, inputs, name) for _ in range(3)]  # of the second batch of two, one never comes
        await engine.wait_for_run()
        closing = asyncio.create_task(runner.close())
        await queued()
        with pytest.raises(ServingError, match="is being unloaded") as refused:
            await runner.run(name, inputs, ["cls"])
        assert refused.value.code is Code.UNAVAILABLE
        assert not closing.done()
        engine.free()
        await closing
        assert len(await asyncio.gather(*accepted)) == 3


async def test_an_idle_runner_holds_nothing_of_the_requests_it_has_answered(engine: Scripted) -> None:
    engine.free()
    runner = ContractRunner(engine, parameters())
    held = []
    for first in (1, 666):
        inputs = sentences(4, first=first)
        held.append(weakref.ref(inputs["lengths"]))
        with contextlib.suppress(ServingError):
            await runner.run("features", inputs, ["cls"])
    del inputs
    engine.runs.clear()
    await runner.close()  # its thread answers before it lets go
    assert [reference() for reference in held] == [None, None]


async def test_requests_that_wait_for_room_run_in_order_of_arrival(engine: Scripted) -> None:
    runner = ContractRunner(engine, parameters(max_batch_size=1, max_enqueued_batches=1))
    running = ask(runner, sentences(1))
    await engine.wait_for_run()
    queued_task = ask(runner, sentences(1, first=2))
    waiting = [ask(runner, sentences(1, first=number), wait_for_room=True) for number in (3, 4, 5, 6)]
    await queued()
    with pytest.raises(ServingError, match="queue to which this task was submitted is full"):
        await ask(runner, sentences(1, first=7))
    waiting.pop(1).cancel()
    await queued()
    engine.free()
    await asyncio.gather(running, queued_task, *waiting)
    assert [run["input_ids"][0, 0] for run in engine.runs] == [1, 2, 3, 5, 6]
    await runner.close()


async def test_a_request_that_waits_for_room_learns_that_it_is_too_large(engine: Scripted) -> None:
    runner = ContractRunner(engine, parameters(max_batch_size=2, max_enqueued_batches=1))
    asked = [ask(runner, sentences(1), wait_for_room=True)]
    await engine.wait_for_run()
    asked += [ask(runner, sentences(1, 1), wait_for_room=True) for _ in range(3)]
    await queued()
    too_large = ask(runner, sentences(1, 1, 1), wait_for_room=True)
    await queued()
    engine.free()
    with pytest.raises(ServingError, match="Task size 3 is larger than maximum input batch size 2"):
        await too_large
    await asyncio.gather(*asked)
    await runner.close()


async def test_one_full_queue_does_not_hold_up_another(engine: Scripted) -> None:
    runner = concat(engine, max_batch_size=1, max_enqueued_batches=1)
    first = ask(runner, plain(1), "plain")
    await engine.wait_for_run()
    asked = [ask(runner, plain(number), "plain", wait_for_room=True) for number in (2, 3, 4)]
    asked.append(ask(runner, plain(9), "scalar", wait_for_room=True))
    await queued()
    engine.free()
    await asyncio.gather(first, *asked, return_exceptions=True)
    assert [run["x"][0, 0] for run in engine.runs].index(9) < 4
    await runner.close()


async def test_closing_runs_what_waits_for_room(engine: Scripted) -> None:
    runner = ContractRunner(engine, parameters(max_batch_size=1, max_enqueued_batches=1))
    asked = [ask(runner, sentences(1), wait_for_room=True) for _ in range(5)]
    await engine.wait_for_run()
    closing = asyncio.create_task(runner.close())
    await queued()
    engine.free()
    await closing
    assert len(await asyncio.gather(*asked)) == 5
