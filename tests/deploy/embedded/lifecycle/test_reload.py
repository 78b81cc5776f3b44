"""Test changes of models, policies and labels at run time."""

import asyncio

import pytest

from deploy.embedded.errors import ServingError, StartError
from deploy.embedded.lifecycle.config import All, Model, Specific
from deploy.embedded.repository import State
from tests.deploy.embedded.lifecycle.world import Make, until


async def test_a_reload_replaces_the_list_and_waits_for_new_models_only(make: Make) -> None:
    world = make()
    for name in ("a", "b", "c"):
        world.add("1", model=name)
    await world.lifecycle.start([world.model("a"), world.model("b")])
    in_flight = world.repository.find("a")
    await world.lifecycle.reload([world.model("b"), world.model("c")])
    assert world.lifecycle.names == ("b", "c")
    assert world.available("c") == {1}
    assert world.states("a") == {1: State.UNLOADING}
    with pytest.raises(ServingError, match=r"Servable not found for request: Latest\(a\)"):
        world.repository.find("a")
    del in_flight
    await until(lambda: world.states("a") == {1: State.END})
    assert world.loads.count("1") == 3


async def test_a_model_comes_back_while_its_unload_is_not_yet_done(make: Make) -> None:
    world = make()
    world.add("1")
    await world.lifecycle.start([world.model()])
    in_flight = world.repository.find("m")
    await world.lifecycle.reload([])
    await until(lambda: world.states() == {1: State.UNLOADING})
    reloading = asyncio.create_task(world.lifecycle.reload([world.model()]))
    await asyncio.sleep(0.05)  # long enough for an answer that should not come
    assert not reloading.done()
    assert in_flight.version == 1
    del in_flight
    await reloading
    assert world.available() == {1}
    assert world.loads == ["1", "1"]


async def test_a_reload_says_which_new_model_does_not_load(make: Make) -> None:
    world = make()
    world.add("1")
    world.add("4", "broken", model="other")
    await world.lifecycle.start([world.model()])
    with pytest.raises(ServingError) as failed:
        await world.lifecycle.reload([world.model(), world.model("other")])
    assert failed.value.text == (
        "UNKNOWN: 1 model(s) did not become available: "
        "{{{name: other version: 4} due to error: NOT_FOUND: no graph in 4}, }"
    )
    assert world.available() == {1}


async def test_a_missing_path_holds_up_its_own_reload_and_no_other(make: Make) -> None:
    world = make()
    world.add("1")
    await world.lifecycle.start([world.model()])
    lost = asyncio.create_task(world.lifecycle.reload([world.model(), world.model("late")]))
    await until(lambda: "late" in world.lifecycle.names)
    await world.lifecycle.update([world.model(), world.model("late")])
    assert not lost.done()
    world.add("1", model="late")
    await lost
    assert world.available("late") == {1}

    lost = asyncio.create_task(world.lifecycle.reload([world.model(), world.model("never")]))
    await until(lambda: "never" in world.lifecycle.names)
    await world.lifecycle.reload([world.model()])
    with pytest.raises(ServingError, match="ABORTED: a later configuration does without it"):
        await lost


async def test_two_reloads_at_once_follow_one_another(make: Make) -> None:
    world = make()
    await world.lifecycle.start([])
    world.add("1", "held", model="a")
    world.add("1", model="b")
    first = asyncio.create_task(world.lifecycle.reload([world.model("a")]))
    await until(lambda: world.states("a") == {1: State.LOADING})
    second = asyncio.create_task(world.lifecycle.reload([world.model("b")]))
    await asyncio.sleep(0.05)  # long enough for the second to overtake
    assert world.lifecycle.names == ("a",)
    world.held.set()
    await asyncio.gather(first, second)
    assert world.lifecycle.names == ("b",)
    await until(lambda: world.states("a") == {1: State.END})


async def test_another_policy_takes_effect_on_a_reload(make: Make) -> None:
    world = make(poll_s=0)
    for version in ("1", "2", "3"):
        world.add(version)
    await world.lifecycle.start([world.model()])
    await world.lifecycle.reload([world.model(policy=Specific(frozenset({1, 2})))])
    await until(lambda: world.states() == {3: State.END, 2: State.AVAILABLE, 1: State.AVAILABLE})


async def test_labels_name_versions_that_are_available(make: Make) -> None:
    world = make()
    world.add("1")
    world.add("2")
    with pytest.raises(
        StartError, match=r"^FAILED_PRECONDITION: Request to assign label to version 1 of model m, which"
    ):
        await world.lifecycle.start([world.model(stable=1)])
    await world.lifecycle.reload([world.model(policy=All())])
    await until(lambda: world.available() == {1, 2})
    await world.lifecycle.reload([world.model(policy=All(), stable=1, canary=2)])
    assert world.repository.find("m", label="stable").version == 1
    assert world.repository.find("m", label="canary").version == 2

    with pytest.raises(ServingError) as refused:
        await world.lifecycle.reload([world.model(policy=All(), stable=3)])
    text = "Request to assign label to version 3 of model m, which is not currently available for inference"
    assert refused.value.text == f"FAILED_PRECONDITION: {text}"
    assert world.repository.find("m", label="canary").version == 2

    await world.lifecycle.reload([world.model(policy=All(), stable=2)])
    assert world.repository.find("m", label="stable").version == 2
    with pytest.raises(ServingError, match="Unrecognized servable version label: canary"):
        world.repository.find("m", label="canary")


async def test_new_labels_may_come_before_their_versions_if_allowed(make: Make) -> None:
    world = make(labels_for_unavailable=True)
    world.add("1")
    await world.lifecycle.start([world.model(stable=1, next=2)])
    assert world.repository.find("m", label="stable").version == 1
    with pytest.raises(ServingError, match=r"Servable not found for request: Specific\(m, 2\)"):
        world.repository.find("m", label="next")
    with pytest.raises(ServingError, match="Request to assign label to version 2 of model m"):
        await world.lifecycle.reload([world.model(stable=2)])


async def test_request_logging_is_refused_as_by_the_stock_binary(make: Make) -> None:
    world = make()
    world.add("1")
    logged = Model("m", world.base / "m", logs_requests=True)
    with pytest.raises(StartError, match=r"^INVALID_ARGUMENT: No request-logger-creator provided\.$"):
        await world.lifecycle.start([logged])
