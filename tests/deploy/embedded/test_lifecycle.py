"""The life of models, with engines that only pretend and folders that come and go."""

import asyncio
import logging
import shutil
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

import pytest
from bert_mlm_client.wire import messages

from deploy.embedded.config import All, Latest, Model, Specific
from deploy.embedded.engines import Array
from deploy.embedded.errors import Code, ServingError, StartError
from deploy.embedded.lifecycle import Lifecycle
from deploy.embedded.loader import Loader
from deploy.embedded.repository import Repository, State

LIMIT_S = 30


class Pretender:
    """An engine and its runner; both must be closed once, the runner first."""

    runs_at_once = 1
    signatures: Mapping[str, messages.SignatureDef] = {}

    def __init__(self, closings: list[str], name: str) -> None:
        self._closings = closings
        self._name = name

    def run(self, signature: str, inputs: Mapping[str, Array], outputs: Sequence[str]) -> dict[str, Array]:
        raise NotImplementedError

    def run_several(
        self, inputs: Mapping[str, Array], outputs: Mapping[str, Sequence[str]]
    ) -> dict[str, dict[str, Array]]:
        raise NotImplementedError

    def close(self) -> None:
        self._closings.append(f"engine {self._name}")


class PretendRunner:
    def __init__(self, closings: list[str], name: str) -> None:
        self._closings = closings
        self._name = name

    async def run(self, signature: str, inputs: Mapping[str, Array], outputs: Sequence[str]) -> dict[str, Array]:
        raise NotImplementedError

    async def run_several(
        self, inputs: Mapping[str, Array], outputs: Mapping[str, Sequence[str]]
    ) -> dict[str, dict[str, Array]]:
        raise NotImplementedError

    async def close(self) -> None:
        self._closings.append(f"runner {self._name}")


class World:
    """A lifecycle on a folder, and what it has loaded and closed."""

    def __init__(self, base: Path, **options: float) -> None:
        self.base = base
        self.loads: list[str] = []
        self.most_at_a_time = 0
        self.closings: list[str] = []
        self.engines: list[weakref.ref[Pretender]] = []
        self.held = threading.Event()
        """Loads of folders with a file ``held`` wait for this."""
        self.repository = Repository()
        self._at_a_time = 0
        self._lock = threading.Lock()
        self.lifecycle = Lifecycle(
            self.repository,
            Loader(
                self._load,
                lambda _, folder: PretendRunner(self.closings, folder.name),
                max_num_load_retries=int(options.get("retries", 0)),
                retry_interval_s=options.get("interval_s", 0),
                num_load_threads=int(options.get("threads", 0)),
            ),
            poll_s=options.get("poll_s", 0.01),
            labels_for_unavailable=bool(options.get("labels_for_unavailable")),
        )

    def _load(self, folder: Path) -> Pretender:
        with self._lock:
            self.loads.append(folder.name)
            self._at_a_time += 1
            self.most_at_a_time = max(self.most_at_a_time, self._at_a_time)
        try:
            if (folder / "held").exists():
                assert self.held.wait(LIMIT_S)
            if (folder / "broken").exists():
                msg = f"no graph in {folder.name}"
                raise ServingError(Code.NOT_FOUND, msg)
            engine = Pretender(self.closings, folder.name)
            self.engines.append(weakref.ref(engine))
            if (folder / "odd").exists():
                msg = "an odd\nfault"
                raise ValueError(msg)
        finally:
            with self._lock:
                self._at_a_time -= 1
        return engine

    def model(self, name: str = "m", policy: Latest | All | Specific | None = None, **labels: int) -> Model:
        return Model(name, self.base / name, policy or Latest(), labels)

    def add(self, version: str, fault: str = "", model: str = "m") -> Path:
        """Put a version in place as a careful writer does: under another name first."""
        unfinished = self.base / model / f".tmp-{version}"
        unfinished.mkdir(parents=True)
        if fault:
            (unfinished / fault).touch()
        return unfinished.rename(unfinished.with_name(version))

    def states(self, name: str = "m") -> dict[int, State]:
        return {version.number: version.state for version in self.repository.newest_first(name)}

    def available(self, name: str = "m") -> set[int]:
        return {number for number, state in self.states(name).items() if state is State.AVAILABLE}


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


async def until(reached: Callable[[], object]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not reached():  # noqa: ASYNC110 - threads and folders change what is looked at, and set no event
            await asyncio.sleep(0.005)


Make = Callable[..., World]


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


async def test_a_retry_is_not_waited_for_once_nobody_wants_the_version(make: Make) -> None:
    world = make(retries=5, interval_s=3600)
    world.add("1")
    await world.lifecycle.start([world.model()])
    broken = world.add("2", "broken")
    await until(lambda: world.loads == ["1", "2"])
    shutil.rmtree(broken)
    await until(lambda: world.states() == {2: State.END, 1: State.AVAILABLE})


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
        await asyncio.sleep(0.05)  # for several more looks
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
    assert sorted(world.states().values()) == [State.START] * (3 - most) + [State.LOADING] * most
    world.held.set()
    await starting
    await until(lambda: world.available() == {1, 2, 3})
    assert world.most_at_a_time == most
    assert world.loads[0] == "3"


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
