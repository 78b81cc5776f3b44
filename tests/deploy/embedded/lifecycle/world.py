"""A lifecycle on a folder with fake engines."""

import threading
import weakref
from collections.abc import Callable
from pathlib import Path

from deploy.embedded.errors import Code, ServingError
from deploy.embedded.lifecycle.config import All, Latest, Model, Specific
from deploy.embedded.lifecycle.loader import Loader
from deploy.embedded.lifecycle.manager import Lifecycle
from deploy.embedded.repository import Repository, State
from tests.support.engines import FakeEngine, FakeRunner
from tests.support.waiting import async_wait_until as until

__all__ = ["Make", "World", "until"]

LIMIT_S = 30


class Pretender(FakeEngine):
    """An engine and its runner; both must be closed once, the runner first."""

    def __init__(self, closings: list[str], name: str) -> None:
        self._closings = closings
        self._name = name

    def close(self) -> None:
        self._closings.append(f"engine {self._name}")


class PretendRunner(FakeRunner):
    def __init__(self, closings: list[str], name: str) -> None:
        self._closings = closings
        self._name = name

    async def close(self) -> None:
        self._closings.append(f"runner {self._name}")


class World:
    """A lifecycle on a folder with records of loads and closes."""

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
        """Create a version folder under a temporary name and rename it."""
        unfinished = self.base / model / f".tmp-{version}"
        unfinished.mkdir(parents=True)
        if fault:
            (unfinished / fault).touch()
        return unfinished.rename(unfinished.with_name(version))

    def states(self, name: str = "m") -> dict[int, State]:
        return {version.number: version.state for version in self.repository.newest_first(name)}

    def available(self, name: str = "m") -> set[int]:
        return {number for number, state in self.states(name).items() if state is State.AVAILABLE}


Make = Callable[..., World]
"""The fixture that makes such worlds."""
