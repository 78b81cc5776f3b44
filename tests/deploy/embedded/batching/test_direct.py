"""Test requests without batching."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from deploy.embedded.batching import DirectRunner
from deploy.embedded.errors import ServingError
from tests.deploy.embedded.batching.scripted import Scripted, ask, plain, queued, sentences


async def test_a_run_given_up_by_its_caller_is_waited_for_when_the_version_closes(engine: Scripted) -> None:
    with ThreadPoolExecutor(1) as threads:
        runner = DirectRunner(engine, threads)
        given_up = ask(runner, sentences(1))
        await engine.wait_for_run()
        given_up.cancel()
        closing = asyncio.create_task(runner.close())
        await asyncio.wait([given_up])
        await queued()
        assert not closing.done()
        engine.free()
        await closing


async def test_a_request_that_is_given_up_before_a_thread_is_free_does_not_run(engine: Scripted) -> None:
    with ThreadPoolExecutor(1) as threads:
        runner = DirectRunner(engine, threads)
        running = ask(runner, sentences(1))
        await engine.wait_for_run()
        given_up, next_one = ask(runner, sentences(2)), ask(runner, sentences(3))
        await queued()
        given_up.cancel()
        await asyncio.wait([given_up])
        engine.free()
        await asyncio.gather(running, next_one)
        assert engine.widths == [(1, 1), (1, 3)]


async def test_several_signatures_are_one_request(engine: Scripted) -> None:
    engine.free()
    with ThreadPoolExecutor(1) as threads:
        runner = DirectRunner(engine, threads)
        answer = await runner.run_several(plain(1, 2), {"plain": ["sum"], "short": ["sum"]})
        assert {name: values["sum"].tolist() for name, values in answer.items()} == {
            "plain": [[1], [2]],
            "short": [[1]],
        }
        await runner.close()
        with pytest.raises(ServingError, match="is being unloaded"):
            await runner.run_several(plain(1), {"plain": ["sum"]})
