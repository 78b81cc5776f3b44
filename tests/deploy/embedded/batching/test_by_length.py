"""Test which sentences form a batch, and the order of batches."""

import asyncio

import pytest

from deploy.embedded.batching.contract import ContractRunner
from deploy.embedded.errors import Code, ServingError
from tests.deploy.embedded.batching.scripted import Busy, Scripted, ask, parameters, queued, sentences


async def test_padding_that_would_cost_more_than_a_run_keeps_lengths_apart(busy: Busy, engine: Scripted) -> None:
    runner, _ = busy
    waiting = [ask(runner, sentences(length)) for length in [8, 60] * 6]
    await queued()
    engine.free()
    await asyncio.gather(*waiting)
    assert sorted(engine.widths[1:]) == [(6, 8), (6, 60)]


async def test_a_batch_keeps_to_its_rows_and_its_tokens(engine: Scripted) -> None:
    runner = ContractRunner(engine, parameters(max_batch_size=4))
    running = ask(runner, sentences(1))
    await engine.wait_for_run()
    waiting = [ask(runner, sentences(length)) for length in [2] * 6 + [16] * 3]
    await queued()
    engine.free()
    await asyncio.gather(running, *waiting)
    assert sorted(engine.widths[1:]) == [(1, 16), (2, 2), (2, 16), (4, 2)]
    await runner.close()


async def test_a_short_request_waits_for_one_batch_of_a_long_queue(busy: Busy, engine: Scripted) -> None:
    runner, running = busy
    long = [ask(runner, sentences(*[128] * 64)) for _ in range(10)]
    await queued()
    engine.go.release()
    await running
    await engine.wait_for_run()
    short = ask(runner, sentences(6))
    await queued()
    for _ in range(3):
        engine.go.release()
        await engine.wait_for_run()
    assert (await short)["cls"].tolist() == [[1]]
    assert (1, 6) in engine.widths[:4]
    assert not any(task.done() for task in long)
    engine.free()
    answers = await asyncio.gather(*long)
    assert all(answer["cls"][:, 0].tolist() == list(range(1, 65)) for answer in answers)
    assert max(rows * width for rows, width in engine.widths) == 512


async def test_a_long_request_gets_every_second_batch_among_short_ones(busy: Busy, engine: Scripted) -> None:
    runner, running = busy
    long = ask(runner, sentences(*[128] * 8))  # two batches
    await queued()
    short = [ask(runner, sentences(*[4] * 60)) for _ in range(6)]
    await queued()
    for _ in range(4):
        engine.go.release()
        await engine.wait_for_run()
    engine.go.release()
    await running
    await long
    assert sum(task.done() for task in short) <= 3
    assert engine.widths[1:5].count((4, 128)) == 2


async def test_a_full_queue_refuses_and_a_cancelled_request_makes_room(engine: Scripted) -> None:
    runner = ContractRunner(engine, parameters(max_batch_size=4, max_enqueued_batches=2))
    running = ask(runner, sentences(1))
    await engine.wait_for_run()
    waiting = [ask(runner, sentences(2, 2, 2, 2)) for _ in range(2)]
    await queued()
    with pytest.raises(ServingError) as refused:
        await runner.run("features", sentences(3), ["cls"])
    assert refused.value.code is Code.UNAVAILABLE
    assert refused.value.message == (
        "The batch scheduling queue to which this task was submitted is full; currently 2 batches enqueued and "
        "max_enqueued_batches is 2"
    )
    waiting[0].cancel()
    await queued()
    late = ask(runner, sentences(3))
    await queued()
    engine.free()
    assert (await late)["cls"].tolist() == [[1]]
    await asyncio.gather(running, waiting[1])
    assert sum(rows for rows, _ in engine.widths) == 1 + 4 + 1
    await runner.close()


async def test_a_request_over_a_given_max_batch_size_is_refused(engine: Scripted) -> None:
    engine.free()
    runner = ContractRunner(engine, parameters(max_batch_size=4))
    with pytest.raises(ServingError, match="Task size 5 is larger than maximum input batch size 4") as refused:
        await runner.run("features", sentences(1, 2, 3, 4, 5), ["cls"])
    assert refused.value.code is Code.INVALID_ARGUMENT
    await runner.close()


async def test_without_a_limit_a_large_request_is_cut_by_length_and_put_together(engine: Scripted) -> None:
    engine.free()
    runner = ContractRunner(engine, parameters())
    lengths = [1 + (37 * n) % 90 for n in range(3000)]
    answer = await runner.run("features", sentences(*lengths, first=1000), ["cls"])
    assert answer["cls"][:, 0].tolist() == list(range(1000, 4000))
    assert max(rows * width for rows, width in engine.widths) <= 512
    real, padded = sum(lengths), sum(rows * width for rows, width in engine.widths)
    assert padded < 1.1 * real
    await runner.close()
