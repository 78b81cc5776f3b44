"""A scripted engine and requests to it."""

import asyncio
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from bert_mlm_client.wire import messages

from deploy.embedded.batching import SignatureRunner
from deploy.embedded.batching.concat import ConcatRunner
from deploy.embedded.batching.contract import ContractRunner
from deploy.embedded.engines import Array, declared_types
from deploy.embedded.errors import Code, ServingError
from deploy.embedded.proto.config_pb2 import BatchingParameters
from tests.support.engines import FakeEngine

Inputs = dict[str, Array]
Answer = dict[str, Array]
Busy = tuple[ContractRunner, asyncio.Task[Answer]]
"""A runner, and the request that its one thread runs."""


def int32(*names: str) -> dict[str, messages.TensorInfo]:
    return {name: messages.TensorInfo(name=f"{name}:0", dtype=messages.DT_INT32) for name in names}


FEATURES = messages.SignatureDef(inputs=int32("input_ids", "lengths"), outputs=int32("cls"))
PLAIN = messages.SignatureDef(inputs=int32("x", "y"), outputs=int32("sum"))


class Scripted(FakeEngine):
    """An engine that waits before every run for the test, and records its runs.

    ``features`` answers with each row's first token (and fails for the token 666), ``plain`` with x, ``scalar`` and
    ``short`` with outputs that cannot be split.
    """

    signatures: Mapping[str, messages.SignatureDef] = {
        "features": FEATURES,
        "plain": PLAIN,
        "scalar": PLAIN,
        "short": PLAIN,
    }
    input_types = declared_types(signatures)

    def __init__(self) -> None:
        self.runs: list[Inputs] = []
        self.begun = threading.Semaphore(0)
        self.go = threading.Semaphore(0)

    def run(self, signature: str, inputs: Mapping[str, Array], outputs: Sequence[str]) -> Answer:
        self.runs.append(dict(inputs))
        self.begun.release()
        assert self.go.acquire(timeout=30)
        if signature == "features":
            if 666 in inputs["input_ids"]:
                raise ServingError(Code.INVALID_ARGUMENT, f"{len(inputs['input_ids'])} rows with 666")
            return {"cls": inputs["input_ids"][:, :1] * 1}
        values = {"plain": inputs["x"], "scalar": np.zeros((), np.int32), "short": inputs["x"][:1]}
        return dict.fromkeys(outputs, values[signature])

    async def wait_for_run(self) -> None:
        assert await asyncio.to_thread(self.begun.acquire, timeout=30)

    def free(self) -> None:
        """Stop waiting before runs."""
        self.go.release(10_000)

    @property
    def widths(self) -> list[tuple[int, int]]:
        """Return the shape of every run."""
        return [tuple(inputs["input_ids"].shape) for inputs in self.runs]


def parameters(**values: Any) -> BatchingParameters:
    """Return parameters with one batch thread by default, so that the order is deterministic."""
    found = BatchingParameters()
    for name, value in {"num_batch_threads": 1, **values}.items():
        if name == "allowed_batch_sizes":
            found.allowed_batch_sizes.extend(value)
        elif name == "pad_variable_length_inputs":
            found.pad_variable_length_inputs = value
        else:
            getattr(found, name).value = value
    return found


def sentences(*lengths: int, first: int = 1) -> Inputs:
    """Return sentences with ascending first tokens."""
    ids = np.full((len(lengths), max(lengths)), 9, np.int32)
    ids[:, 0] = range(first, first + len(lengths))
    return {"input_ids": ids, "lengths": np.array(lengths, np.int32)}


def plain(*values: int, width: int = 1) -> Inputs:
    x = np.repeat(np.array(values, np.int32)[:, np.newaxis], width, axis=1)
    return {"x": x, "y": np.zeros(len(values), np.int32)}


def ask(
    runner: SignatureRunner, inputs: Inputs, signature: str = "features", *, wait_for_room: bool = False
) -> asyncio.Task[Answer]:
    output = "cls" if signature == "features" else "sum"
    return asyncio.create_task(runner.run(signature, inputs, [output], wait_for_room=wait_for_room))


async def queued() -> None:
    """Let the tasks created so far run up to their wait."""
    for _ in range(3):
        await asyncio.sleep(0)


def concat(engine: Scripted, **values: Any) -> ConcatRunner:
    """Return a runner that waits for its batches to be full."""
    return ConcatRunner(engine, parameters(**{"batch_timeout_micros": 60_000_000, **values}), cores=1)
