"""Fixtures of a scripted engine and a busy runner."""

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
    """Return a runner whose only thread runs a sentence of one token."""
    runner = ContractRunner(engine, parameters())
    running = ask(runner, sentences(1))
    await engine.wait_for_run()
    yield runner, running
    engine.free()
    await runner.close()
