"""Test versions that appear, disappear, fail and return."""

import asyncio
import logging
import shutil

import pytest

from deploy.embedded.lifecycle.config import All, Latest, Specific
from deploy.embedded.repository import State
from tests.deploy.embedded.lifecycle.world import Make, until


@pytest.mark.parametrize(
    ("policy", "served"),
    [
        (Latest(), {10}),
        (Latest(2), {9, 10}),
        (Latest(7), {1, 9, 10}),
        (All(), {1, 9, 10}),
        (Specific(frozenset({1, 9, 77})), {1, 9}),
    ],
)
async def test_the_policy_chooses_among_the_versions_that_are_there(
    make: Make, policy: Latest | All | Specific, served: set[int]
) -> None:
    world = make()
    for version in ("1", "9", "10"):
        world.add(version)
    await world.lifecycle.start([world.model(policy=policy)])
    await until(lambda: world.available() == served)
    assert set(world.states()) == served


async def test_specific_versions_that_are_not_there_are_named(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    world = make()
    world.add("9")
    with caplog.at_level(logging.WARNING):
        await world.lifecycle.start([world.model(policy=Specific(frozenset({77, 9, 5})))])
    (message,) = caplog.messages
    assert message.startswith("Version 5, 77 of servable m, which was requested to be served as a 'specific' version")


async def test_a_new_version_is_loaded_before_the_old_one_goes(make: Make) -> None:
    world = make()
    world.add("1")
    await world.lifecycle.start([world.model()])
    world.add("2", "held")
    await until(lambda: world.states().get(2) is State.LOADING)
    assert world.repository.find("m").version == 1
    world.held.set()
    await until(lambda: world.states() == {2: State.AVAILABLE, 1: State.END})
    assert world.repository.find("m").version == 2
    assert world.closings == ["runner 1", "engine 1"]


async def test_a_version_is_closed_when_its_last_request_has_let_go_of_it(make: Make) -> None:
    world = make()
    world.add("1")
    await world.lifecycle.start([world.model()])
    in_flight = [world.repository.find("m"), world.repository.find("m", 1)]
    world.add("2")
    await until(lambda: world.states() == {2: State.AVAILABLE, 1: State.UNLOADING})
    in_flight.pop()
    await asyncio.sleep(0.05)  # long enough for a close that should not come
    assert world.closings == []
    in_flight.pop()
    await until(lambda: world.states()[1] is State.END)
    assert world.closings == ["runner 1", "engine 1"]


async def test_the_old_version_serves_on_if_the_new_one_is_broken(make: Make) -> None:
    world = make(retries=2)
    world.add("1")
    await world.lifecycle.start([world.model()])
    broken = world.add("2", "broken")
    await until(lambda: world.states() == {2: State.END, 1: State.AVAILABLE})
    assert world.loads == ["1", "2", "2", "2"]
    (version,) = world.repository.status("m", 2)
    assert version.error is not None
    assert version.error.text == "NOT_FOUND: no graph in 2"

    world.add("3")
    await until(lambda: world.states() == {3: State.AVAILABLE, 2: State.END, 1: State.END})
    shutil.rmtree(broken)
    assert world.loads.count("2") == 3


async def test_a_repaired_version_is_loaded_once_its_folder_has_been_away(make: Make) -> None:
    world = make()
    world.add("1")
    await world.lifecycle.start([world.model()])
    shutil.move(world.add("2", "broken"), world.base / "away")
    await until(lambda: not world.states().get(2) or world.repository.versions["m"][2].dropped.is_set())
    world.add("2")
    await until(lambda: world.states() == {2: State.AVAILABLE, 1: State.END})


async def test_nothing_holds_what_was_unloaded_or_failed_to_load(make: Make) -> None:
    world = make(retries=1)
    world.add("1")
    world.add("2")
    await world.lifecycle.start([world.model(policy=All())])
    await until(lambda: world.available() == {1, 2})
    world.add("3", "odd")
    await until(lambda: world.states().get(3) is State.END)
    await world.lifecycle.reload([])
    await until(lambda: world.states() == {3: State.END, 2: State.END, 1: State.END})
    assert [engine() for engine in world.engines] == [None] * 4


async def test_a_load_that_fails_at_first_is_tried_again(make: Make) -> None:
    world = make(retries=5, interval_s=0.02)
    fault = world.add("1", "broken") / "broken"
    starting = asyncio.create_task(world.lifecycle.start([world.model()]))
    await until(lambda: len(world.loads) > 1)
    fault.unlink()
    await starting
    (version,) = world.repository.status("m")
    assert (version.state, version.error) == (State.AVAILABLE, None)


async def test_a_dropped_version_is_not_retried(make: Make) -> None:
    world = make(retries=5, interval_s=3600)
    world.add("1")
    await world.lifecycle.start([world.model()])
    broken = world.add("2", "broken")
    await until(lambda: world.loads == ["1", "2"])
    shutil.rmtree(broken)
    await until(lambda: world.states() == {2: State.END, 1: State.AVAILABLE})


async def test_removed_versions_are_unloaded_and_the_older_one_comes_back(make: Make) -> None:
    world = make()
    world.add("1")
    newer = world.add("2")
    await world.lifecycle.start([world.model()])
    shutil.rmtree(newer)
    await until(lambda: world.states() == {2: State.END, 1: State.AVAILABLE})
    shutil.rmtree(world.base / "m" / "1")
    await until(lambda: world.states() == {2: State.END, 1: State.END})
    world.add("2")
    await until(lambda: world.available() == {2})


async def test_a_base_path_that_vanishes_unloads_nothing(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    world = make()
    world.add("1")
    await world.lifecycle.start([world.model()])
    with caplog.at_level(logging.WARNING):
        (world.base / "m").rename(world.base / "away")
        await until(lambda: "filesystem access error: Could not find base path" in caplog.text)
    assert world.available() == {1}
    (world.base / "away").rename(world.base / "m")
    world.add("2")
    await until(lambda: world.available() == {2})
    assert world.loads == ["1", "2"]


@pytest.mark.parametrize(("threads", "most"), [(0, 1), (1, 1), (2, 2)])
async def test_no_more_versions_load_at_a_time_than_threads_are_given(make: Make, threads: int, most: int) -> None:
    world = make(threads=threads)
    for version in ("1", "2", "3"):
        world.add(version, "held")
    starting = asyncio.create_task(world.lifecycle.start([world.model(policy=All())]))
    await until(lambda: len(world.loads) == most)
    newest = {3, 2} if most == 2 else {3}
    assert world.states() == {number: State.LOADING if number in newest else State.START for number in (1, 2, 3)}
    assert set(world.loads) == {str(number) for number in newest}  # two threads start in either order
    world.held.set()
    await starting
    await until(lambda: world.available() == {1, 2, 3})
    assert world.most_at_a_time == most
