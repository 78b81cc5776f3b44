"""Hold the models' versions and find the requested one."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

from bert_mlm_client.wire import messages

from deploy.embedded.batching import Runner
from deploy.embedded.engines import Engine
from deploy.embedded.errors import Code, ServingError, invalid


class State(IntEnum):
    """The state of a version, with the numbers of ModelVersionStatus.State."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Servable:
    """A version that answers requests.

    A version is unloaded only when no request refers to its servable any more.
    """

    name: str
    version: int
    engine: Engine
    runner: Runner

    @property
    def signatures(self) -> Mapping[str, messages.SignatureDef]:
        """The version's signatures by name."""
        return self.engine.signatures


@dataclass(slots=True, eq=False)
class Version:
    """A version of a model in any state.

    ``error`` is why it did not load.
    """

    number: int
    folder: Path
    state: State = State.START
    error: ServingError | None = None
    servable: Servable | None = None
    """Set while the version is AVAILABLE."""
    dropped: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the version should be unloaded."""
    job: asyncio.Task[None] | None = None
    """The task that loads or unloads it, running or done."""

    @property
    def wanted(self) -> bool:
        """Whether the version should be served."""
        return not self.dropped.is_set()


class Repository:
    """All versions by model and number, and the labels.

    It keeps every version since the server's start.
    """

    def __init__(self) -> None:
        self.versions: dict[str, dict[int, Version]] = {}
        self.labels: dict[str, dict[str, int]] = {}

    def find(self, name: str, version: int | None = None, label: str | None = None) -> Servable:
        """Return the version that a request names, or the latest.

        Raises:
            ServingError: INVALID_ARGUMENT for an unknown label or no name, NOT_FOUND for the rest.
        """
        if not name:
            msg = "ModelSpec has no name specified."
            raise invalid(msg)
        if label is not None:
            version = self.labels.get(name, {}).get(label)
            if version is None:
                msg = f"Unrecognized servable version label: {label}"
                raise invalid(msg)
        for held in self.newest_first(name):
            if held.servable is not None and version in (None, held.number):
                return held.servable
        request = f"Latest({name})" if version is None else f"Specific({name}, {version})"
        msg = f"Servable not found for request: {request}"
        raise ServingError(Code.NOT_FOUND, msg)

    def status(self, name: str, version: int | None = None) -> list[Version]:
        """Return a model's versions, newest first, or one of them.

        Raises:
            ServingError: NOT_FOUND, there is no such model or version.
        """
        versions = [held for held in self.newest_first(name) if version in (None, held.number)]
        if not versions:
            which = "any versions" if version is None else f"version {version}"
            msg = f"Could not find {which} of model {name}"
            raise ServingError(Code.NOT_FOUND, msg)
        return versions

    def newest_first(self, name: str) -> list[Version]:
        """Return a model's versions by descending number."""
        versions = self.versions.get(name, {})
        return [versions[number] for number in sorted(versions, reverse=True)]
