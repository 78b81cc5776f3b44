"""A scripted engine, and a runner that is busy with it."""

from collections.abc import AsyncIterator, Iterator

import pytest

from deploy.embedded.batching.contract import ContractRunner
from tests.deploy.embedded.batching.scripted import Busy, Scripted, ask, parameters, sentences


@pytest.fixture
def engine() -> Iterator[Scripted]:
    scripted = Scripted()
    yield scripted
    scripted.free()


@pytest.fixture
async def busy(engine: Scripted) -> AsyncIterator[Busy]:
    """A runner whose one thread is in a run of one sentence of one token."""
    runner = ContractRunner(engine, parameters())
    running = ask(runner, sentences(1))
    await engine.wait_for_run()
    yield runner, running
    engine.free()
    await runner.close()
