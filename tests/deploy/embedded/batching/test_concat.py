"""Test batches of concatenated requests, as in TensorFlow Serving."""

import asyncio

import numpy as np
import pytest

from deploy.embedded import metrics
from deploy.embedded.errors import Code, ServingError
from tests.deploy.embedded.batching.scripted import Inputs, Scripted, ask, concat, plain, queued


async def test_requests_run_one_under_the_other_in_order_of_arrival(engine: Scripted) -> None:
    engine.free()
    runner = concat(engine, max_batch_size=4)
    first, second = ask(runner, plain(1, 2, 3), "plain"), ask(runner, plain(4), "plain")
    assert (await first)["sum"].tolist() == [[1], [2], [3]]
    assert (await second)["sum"].tolist() == [[4]]
    assert [run["x"][:, 0].tolist() for run in engine.runs] == [[1, 2, 3, 4]]
    await runner.close()


async def test_a_batch_is_filled_up_to_an_allowed_size_with_the_last_requests_first_row(engine: Scripted) -> None:
    engine.free()
    runner = concat(engine, max_batch_size=8, allowed_batch_sizes=[2, 4, 8], batch_timeout_micros=0)
    assert (await runner.run("plain", plain(5, 6, 7), ["sum"]))["sum"].tolist() == [[5], [6], [7]]
    assert engine.runs[0]["x"][:, 0].tolist() == [5, 6, 7, 5]
    await runner.close()


async def test_padding_fills_up_with_the_first_element(engine: Scripted) -> None:
    engine.free()
    runner = concat(engine, max_batch_size=2, pad_variable_length_inputs=True)
    narrow, wide = ask(runner, plain(3, width=1), "plain"), ask(runner, plain(4, width=3), "plain")
    assert (await narrow)["sum"].tolist() == [[3, 3, 3]]  # at the padded width, as upstream answers
    assert (await wide)["sum"].tolist() == [[4, 4, 4]]
    await runner.close()


async def test_without_padding_unequal_shapes_fail_the_batch(engine: Scripted) -> None:
    engine.free()
    runner = concat(engine, max_batch_size=2)
    for failed in await asyncio.gather(
        ask(runner, plain(3, width=1), "plain"), ask(runner, plain(4, width=3), "plain"), return_exceptions=True
    ):
        assert isinstance(failed, ServingError)
        assert failed.code is Code.FAILED_PRECONDITION
        assert failed.message == (
            "Tensors with name 'x:0' from different tasks have different shapes and padding is turned off."
            "Set pad_variable_length_inputs to true, or ensure that all tensors with the same name"
            "have equal dimensions starting with the first dim."
        )
    assert engine.runs == []
    await runner.close()


@pytest.mark.parametrize(
    ("inputs", "signature", "code", "message"),
    [
        (plain(1, 2), "scalar", Code.FAILED_PRECONDITION, "Batched output tensor has 0 dimensions"),
        (
            plain(1, 2),
            "short",
            Code.FAILED_PRECONDITION,
            (
                "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension sizes of the input "
                "tensors"
            ),
        ),
        (
            {"x": np.int32(1).reshape(()), "y": np.zeros(1, np.int32)},
            "plain",
            Code.INVALID_ARGUMENT,
            "Batching Run() input tensors must have at least one dimension",
        ),
        (
            {"x": np.zeros(2, np.int32), "y": np.zeros(1, np.int32)},
            "plain",
            Code.INVALID_ARGUMENT,
            "Batching Run() input tensors must have equal 0th-dimension size",
        ),
        (plain(1, 2, 3), "plain", Code.INVALID_ARGUMENT, "Task size 3 is larger than maximum input batch size 2"),
    ],
)
async def test_what_cannot_be_batched_gets_upstreams_words(
    engine: Scripted, inputs: Inputs, signature: str, code: Code, message: str
) -> None:
    engine.free()
    runner = concat(engine, max_batch_size=2)
    with pytest.raises(ServingError) as refused:
        await runner.run(signature, inputs, ["sum"])
    assert (refused.value.code, refused.value.message) == (code, message)
    await runner.close()


async def test_large_requests_are_split_where_asked_and_fill_the_open_batch(engine: Scripted) -> None:
    engine.free()
    runner = concat(engine, max_batch_size=10, enable_large_batch_splitting=True, max_execution_batch_size=2)
    first, second = ask(runner, plain(1, 2, 3), "plain"), ask(runner, plain(4, 5, 6), "plain")
    assert (await first)["sum"][:, 0].tolist() == [1, 2, 3]
    assert (await second)["sum"][:, 0].tolist() == [4, 5, 6]
    assert [run["x"][:, 0].tolist() for run in engine.runs] == [[1, 2], [3, 4], [5, 6]]
    await runner.close()


async def test_a_full_queue_refuses_with_upstreams_words_and_a_cancelled_request_makes_room(
    engine: Scripted,
) -> None:
    runner = concat(engine, max_batch_size=2, max_enqueued_batches=2)
    running = ask(runner, plain(1, 2), "plain")
    await engine.wait_for_run()
    waiting = [ask(runner, plain(3, 4), "plain"), ask(runner, plain(5), "plain")]
    await queued()
    with pytest.raises(ServingError) as refused:
        await runner.run("plain", plain(6, 7), ["sum"])
    assert refused.value.code is Code.UNAVAILABLE
    assert refused.value.message == (
        "The batch scheduling queue to which this task was submitted is full; currently 2 batches enqueued and "
        "max_enqueued_batches is 2"
    )
    waiting[0].cancel()
    await queued()
    late = ask(runner, plain(6, 7), "plain")
    await queued()
    engine.free()
    closing = asyncio.create_task(runner.close())
    assert (await late)["sum"][:, 0].tolist() == [6, 7]
    await asyncio.gather(running, waiting[1], closing)
    assert [run["x"][:, 0].tolist() for run in engine.runs] == [[1, 2], [5], [6, 7]]


async def test_batches_are_counted_under_upstreams_names(engine: Scripted) -> None:
    def sample(line: str) -> float:
        values = [text.rsplit(" ", 1)[1] for text in metrics.write().decode().splitlines() if text.startswith(line)]
        return float(values[0]) if values else 0.0

    lines = [
        ":tensorflow:serving:batching_session:wrapped_run_count{} ",
        ":tensorflow:serving:batching_session:input_batch_size_count{} ",
        ":tensorflow:serving:batching_session:input_batch_size_sum{} ",
        ":tensorflow:serving:batching_session:processed_batch_size_sum{} ",
        ':tensorflow:serving:batching_session:padding_size_sum{execution_batch_size="4"} ',
        ':tensorflow:serving:batching_session:queuing_latency_count{thread_pool_name=""} ',
    ]
    before = [sample(line) for line in lines]
    engine.free()
    runner = concat(engine, max_batch_size=4, allowed_batch_sizes=[4], batch_timeout_micros=0)
    await runner.run("plain", plain(1, 2, 3), ["sum"])
    assert [sample(line) - old for line, old in zip(lines, before, strict=True)] == [1, 2, 6, 4, 1, 1]
    await runner.close()
