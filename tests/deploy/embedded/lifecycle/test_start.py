"""Test waits and failures of the start."""

import asyncio
import logging

import pytest

from deploy.embedded.errors import StartError
from tests.deploy.embedded.lifecycle.world import Make, until


async def test_the_start_fails_in_upstreams_words(make: Make) -> None:
    world = make(retries=1)
    world.add("7", "odd")
    world.add("1", model="other")
    with pytest.raises(StartError) as failed:
        await world.lifecycle.start([world.model(), world.model("other")])
    assert str(failed.value) == (
        "UNKNOWN: 1 servable(s) did not become available: "
        "{{{name: m version: 7} due to error: UNKNOWN: an odd fault}, }"
    )
    assert world.loads.count("7") == 2


async def test_without_polling_a_model_without_versions_fails_the_start(make: Make) -> None:
    world = make(poll_s=0)
    (world.base / "m").mkdir()
    with pytest.raises(StartError, match="No versions of servable m found under base path"):
        await world.lifecycle.start([world.model()])
    with pytest.raises(StartError, match=r"Could not find base path .*/none for servable none"):
        await make(poll_s=0).lifecycle.start([world.model("none")])


async def test_the_start_waits_for_a_first_version_and_says_so_once(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    world = make()
    (world.base / "m").mkdir()
    with caplog.at_level(logging.WARNING):
        starting = asyncio.create_task(world.lifecycle.start([world.model()]))
        await until(lambda: caplog.messages)
        await asyncio.sleep(0.05)  # for several more scans
        (message,) = caplog.messages
        assert message == (
            f"No versions of servable m found under base path {world.base / 'm'}. "
            "Did you forget to name your leaf directory as a number (eg. '/1/')?"
        )
        assert not starting.done()
        world.add("1")
        await starting


async def test_no_models_are_a_start_too(make: Make) -> None:
    world = make()
    await world.lifecycle.start([])
    world.add("1")
    await world.lifecycle.reload([world.model()])
    assert world.available() == {1}
