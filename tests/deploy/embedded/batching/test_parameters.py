"""Test batching flags and files, and the choice of the runner."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from deploy.embedded.batching import DirectRunner, Options, Runner, create_runner, options
from deploy.embedded.batching.concat import ConcatRunner
from deploy.embedded.batching.contract import ContractRunner
from deploy.embedded.batching.parameters import read
from deploy.embedded.errors import Code, ServingError, StartError
from deploy.embedded.flags import parse
from deploy.embedded.proto.config_pb2 import BatchingParameters
from tests.deploy.embedded.batching.scripted import FEATURES, PLAIN, Scripted, plain
from tests.support.environment import ROOT


@pytest.mark.parametrize(
    ("flags", "contract", "batched"),
    [([], True, False), (["--enable_batching"], True, True), (["--enable_batching=false"], False, False)],
)
def test_the_flag_given_or_not_decides(flags: list[str], contract: bool, batched: bool) -> None:
    chosen = options(parse(flags), cores=2)
    assert (chosen.contract, chosen.parameters is not None) == (contract, batched)


async def test_signatures_go_their_own_way(engine: Scripted, tmp_path: Path) -> None:
    def made(**values: Any) -> tuple[type, type]:
        chosen = {"contract": True, "parameters": None, "per_version": False, "cores": 1, **values}
        runner: Any = create_runner(engine, tmp_path, options=Options(**chosen), threads=threads)
        by_signature = runner._runners
        runners.append(runner)
        return type(by_signature["features"]), type(by_signature["plain"])

    runners: list[Runner] = []
    with ThreadPoolExecutor(1) as threads:
        assert made() == (ContractRunner, DirectRunner)
        assert made(contract=False) == (DirectRunner, DirectRunner)
        assert made(parameters=BatchingParameters()) == (ContractRunner, ConcatRunner)
        assert made(parameters=BatchingParameters(), per_version=True) == (ContractRunner, DirectRunner)
        (tmp_path / "batching_params.pbtxt").write_text("max_batch_size { value: 3 }")
        assert made(parameters=BatchingParameters(), per_version=True) == (ContractRunner, ConcatRunner)
        engine.free()
        with pytest.raises(ServingError, match="Task size 4 is larger than maximum input batch size 3"):
            await runners[-1].run("plain", plain(1, 2, 3, 4), ["sum"])
        (tmp_path / "batching_params.pbtxt").write_text("allowed_batch_sizes: 3")
        with pytest.raises(ServingError, match=r"last entry was 3; expected 1000") as refused:
            made(parameters=BatchingParameters(), per_version=True)
        assert refused.value.code is Code.INVALID_ARGUMENT
        await asyncio.gather(*(runner.close() for runner in runners))


@pytest.mark.parametrize("found", [None, BatchingParameters()])
async def test_a_closed_runner_leaves_no_threads(
    engine: Scripted, tmp_path: Path, found: BatchingParameters | None
) -> None:
    before = set(threading.enumerate())
    chosen = Options(contract=True, parameters=found, per_version=False, cores=2)
    with ThreadPoolExecutor(1) as threads:
        for signatures in ({"features": FEATURES}, {"plain": PLAIN}, {"features": FEATURES, "plain": PLAIN}):
            engine.signatures = signatures
            runner = create_runner(engine, tmp_path, options=chosen, threads=threads)
            await runner.close()
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive(), thread


BAD_FILES = {
    "max_batch_size: 3": "Invalid protobuf file: '",
    "max_batch_size { value: 4 } allowed_batch_sizes: 2": (
        "Last entry in allowed_batch_sizes must match max_batch_size; last entry was 2; expected 4"
    ),
    "num_batch_threads { value: 0 }": "num_batch_threads must be positive; was 0",
    "batch_timeout_micros { value: -1 }": "batch_timeout_micros must be non-negative; was -1",
    "max_enqueued_batches { value: 0 } enable_large_batch_splitting { value: true }": (
        "max_enqueued_batches must be positive; was 0"
    ),
    "max_batch_size { value: 2 } max_execution_batch_size { value: 3 } enable_large_batch_splitting { value: true }": (
        "When enable_large_batch_splitting is true, input_batch_size_limit must be greater than or equal to "
        "max_execution_batch_size."
    ),
}


@pytest.mark.parametrize(("text", "sentence"), BAD_FILES.items())
def test_a_file_that_cannot_be_followed_is_an_error_at_the_start(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "batching.config"
    path.write_text(text)
    with pytest.raises(StartError) as caught:
        read(path)
    assert str(caught.value).startswith(sentence)


def test_the_shipped_file_can_be_read() -> None:
    path = ROOT / "models" / "batching.config"
    assert read(path).max_batch_size.value == 64
