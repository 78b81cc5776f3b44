"""Test that batched sentences of unequal length get their unbatched answers."""

import asyncio
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bert_mlm_client.wire import messages
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.embedded.batching.contract import ContractRunner, follows_contract
from deploy.embedded.engines import Array
from deploy.embedded.errors import ServingError
from tests.deploy.embedded.batching.scripted import (
    FEATURES,
    PLAIN,
    Answer,
    Busy,
    Inputs,
    Scripted,
    ask,
    int32,
    parameters,
    queued,
    sentences,
)


async def test_a_request_that_finds_a_thread_free_runs_at_once_with_its_own_arrays(engine: Scripted) -> None:
    runner = ContractRunner(engine, parameters())
    inputs = sentences(5, 5)
    engine.free()
    answer = await runner.run("features", inputs, ["cls"])
    assert answer["cls"].tolist() == [[1], [2]]
    assert engine.runs[0]["input_ids"] is inputs["input_ids"]
    await runner.close()


async def test_what_gathers_meanwhile_runs_together_and_everyone_gets_his_own_rows(
    busy: Busy, engine: Scripted
) -> None:
    runner, _ = busy
    waiting = [
        ask(runner, sentences(*lengths, first=1 + 10 * n)) for n, lengths in enumerate([(5, 6), (7,), (6, 6, 6)])
    ]
    await queued()
    engine.free()
    answers = [(await task)["cls"][:, 0].tolist() for task in waiting]
    assert answers == [[1, 2], [11], [21, 22, 23]]
    assert engine.widths == [(1, 1), (6, 7)]
    merged = engine.runs[1]
    assert np.count_nonzero(merged["input_ids"] == 0) == 5  # rows that came 6 wide, in a batch 7 wide
    assert sorted(merged["lengths"].tolist()) == [5, 6, 6, 6, 6, 7]


async def test_one_requests_error_is_not_its_mates(busy: Busy, engine: Scripted) -> None:
    runner, _ = busy
    good, bad, other = (ask(runner, sentences(4, first=first)) for first in (1, 666, 3))
    await queued()
    engine.free()
    assert (await good)["cls"].tolist() == [[1]]
    assert (await other)["cls"].tolist() == [[3]]
    with pytest.raises(ServingError, match="1 rows with 666"):
        await bad
    assert engine.widths == [(1, 1), (3, 4), (1, 4), (1, 4), (1, 4)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"lengths": np.array([0], np.int32)},
        {"lengths": np.array([6], np.int32)},
        {"lengths": np.array([5], np.int64)},
        {"lengths": np.array([5, 5], np.int32)},
        {"lengths": np.array([[5]], np.int32)},
        {"input_ids": np.zeros((), np.int32)},
        {"input_ids": np.zeros((0, 5), np.int32), "lengths": np.zeros(0, np.int32)},
    ],
)
async def test_arrays_that_do_not_fit_together_reach_the_engine_alone_and_unchanged(
    busy: Busy, engine: Scripted, wrong: Inputs
) -> None:
    runner, _ = busy
    mate = ask(runner, sentences(5))
    inputs = {**sentences(5), **wrong}
    odd = ask(runner, inputs)
    await queued()
    engine.free()
    await mate
    await asyncio.wait([odd])
    assert any(run["input_ids"] is inputs["input_ids"] and run["lengths"] is inputs["lengths"] for run in engine.runs)
    assert odd.exception() is None or not isinstance(odd.exception(), ServingError)


def test_the_contract_is_known_by_its_names_and_types() -> None:
    ids = int32("input_ids", "lengths", "mask_positions")
    assert follows_contract(FEATURES)
    assert follows_contract(messages.SignatureDef(inputs=ids, outputs=int32("scores", "token_ids")))
    assert not follows_contract(PLAIN)
    assert not follows_contract(messages.SignatureDef(inputs=int32("input_ids"), outputs=int32("cls")))
    assert not follows_contract(messages.SignatureDef(inputs=ids, outputs=int32("logits")))
    assert not follows_contract(messages.SignatureDef(inputs={**ids, **int32("ids")}, outputs=int32("scores")))
    floats = {**ids, "lengths": messages.TensorInfo(name="l:0", dtype=messages.DT_FLOAT)}
    assert not follows_contract(messages.SignatureDef(inputs=floats, outputs=int32("scores")))


requests = st.lists(
    st.tuples(st.lists(st.integers(1, 40), min_size=1, max_size=12), st.integers(0, 3), st.booleans()),
    min_size=1,
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(requests=requests, size=st.integers(1, 20), threads=st.integers(1, 3))
def test_every_request_gets_its_own_rows(requests: list[tuple[list[int], int, bool]], size: int, threads: int) -> None:
    engine: Any = Echo()

    async def one(runner: ContractRunner, number: int, lengths: list[int], masks: int, cancelled: bool) -> None:
        rows, width = len(lengths), max(lengths)
        ids = 10_000 * number + np.arange(rows * width, dtype=np.int32).reshape(rows, width)
        ends = np.array(lengths, np.int32)
        positions = np.arange(rows * masks, dtype=np.int32).reshape(rows, masks) % ends[:, np.newaxis]
        inputs: Inputs = {"input_ids": ids, "lengths": ends, "mask_positions": positions}
        running = asyncio.create_task(runner.run("explain", inputs, ["attention"]))
        await asyncio.sleep(0)
        if cancelled:
            running.cancel()
            await asyncio.wait([running])
            return
        answer = (await running)["attention"]
        inside = np.arange(width) < ends[:, np.newaxis]
        expected = np.where(inside, ids, 0)[:, np.newaxis, :] + positions[:, :, np.newaxis] * inside[:, np.newaxis]
        assert np.array_equal(answer, expected)

    async def all_of_them() -> None:
        runner = ContractRunner(engine, parameters()) if size == 20 else small(engine, size, threads)
        await asyncio.gather(*(one(runner, number, *request) for number, request in enumerate(requests)))
        await runner.close()

    asyncio.run(all_of_them())


def small(engine: Any, size: int, threads: int) -> ContractRunner:
    """Return a runner of small batches that takes requests of any size."""
    return ContractRunner(
        engine,
        parameters(
            max_batch_size=1000,
            max_execution_batch_size=size,
            enable_large_batch_splitting=True,
            max_enqueued_batches=1000,
            num_batch_threads=threads,
        ),
    )


class Echo:
    """An engine whose ``explain`` returns the sentence's tokens plus the mask's position for each mask."""

    runs_at_once = 1
    signatures: Mapping[str, messages.SignatureDef] = {}

    def run(self, _: str, inputs: Mapping[str, Array], __: Sequence[str]) -> Answer:
        ids, lengths, positions = (
            np.asarray(inputs[name], np.int32) for name in ("input_ids", "lengths", "mask_positions")
        )
        inside = np.arange(ids.shape[1]) < lengths[:, np.newaxis]
        return {"attention": (ids * inside)[:, np.newaxis] + positions[:, :, np.newaxis] * inside[:, np.newaxis]}

    def close(self) -> None: ...


@pytest.fixture(scope="module")
def bert(tiny_version: Path) -> Any:
    from deploy.embedded.engines.tensorflow import TensorFlowEngine

    return TensorFlowEngine(tiny_version)


OUTPUTS = {
    "fill_mask": ["scores", "token_ids"],
    "score_tokens": ["scores"],
    "features": ["cls", "mean", "whitened"],
    "explain": ["attention"],
}


@pytest.mark.parametrize("signature", OUTPUTS)
async def test_an_answer_from_a_mixed_batch_is_the_answer_alone(bert: Any, signature: str) -> None:
    random = np.random.default_rng(7)

    def request(rows: int, longest: int, masks: int, candidates: int) -> Inputs:
        lengths = random.integers(3, longest + 1, rows).astype(np.int32)
        positions = random.integers(0, lengths[:, np.newaxis], (rows, masks)).astype(np.int32)
        inputs = {
            "input_ids": random.integers(1, 98, (rows, longest)).astype(np.int32),
            "lengths": lengths,
            "mask_positions": positions,
            "candidate_ids": random.integers(0, 98, (rows, candidates)).astype(np.int32),
        }
        return {name: inputs[name] for name in bert.signatures[signature].inputs}

    shapes = [(1, 5, 1, 3), (1, 16, 2, 1), (3, 9, 1, 7), (2, 16, 3, 2), (70, 14, 1, 2), (1, 4, 0, 0), (1, 12, 2, 5)]
    asked = [request(*shape) for shape in shapes]
    gate: Any = Gate(bert)
    runner = ContractRunner(gate, parameters())
    blocker = asyncio.create_task(runner.run(signature, asked[0], OUTPUTS[signature]))
    waiting = [asyncio.create_task(runner.run(signature, inputs, OUTPUTS[signature])) for inputs in asked]
    await queued()
    gate.open.set()
    await blocker
    for inputs, task in zip(asked, waiting, strict=True):
        answer, alone = await task, bert.run(signature, inputs, OUTPUTS[signature])
        for name in OUTPUTS[signature]:
            assert answer[name].shape == alone[name].shape
            assert answer[name].dtype == alone[name].dtype
            if name != "token_ids":  # tied scores may be in another order
                assert np.allclose(answer[name], alone[name], atol=1e-5)
        if signature == "fill_mask":
            assert np.array_equal(answer["token_ids"][..., :3], alone["token_ids"][..., :3])
    assert gate.runs < 1 + len(asked)
    await runner.close()


class Gate:
    """An engine that waits for an event."""

    def __init__(self, engine: Any) -> None:
        self.signatures: Mapping[str, messages.SignatureDef] = engine.signatures
        self.open = threading.Event()
        self.runs = 0
        self._engine = engine

    def run(self, signature: str, inputs: Mapping[str, Array], outputs: Sequence[str]) -> Answer:
        assert self.open.wait(30)
        self.runs += 1
        answer: Answer = self._engine.run(signature, inputs, outputs)
        return answer

    def close(self) -> None: ...
