"""Fixture of a lifecycle on a temporary folder."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.deploy.embedded.lifecycle.world import World


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Callable[..., World]]:
    worlds = []

    def world(**options: float) -> World:
        worlds.append(World(tmp_path, **options))
        return worlds[-1]

    yield world
    for made in worlds:
        made.held.set()
        await made.lifecycle.stop()
