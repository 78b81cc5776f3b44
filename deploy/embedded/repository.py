"""The models, their numbered versions and the state of each; and the one that a request asks for."""

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
    """Where a version is in its life; the numbers are those of ModelVersionStatus.State."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Servable:
    """One version that answers requests.

    Whoever holds one may run it: a version is unloaded only when the last request has let go of its servable.
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
    """A version of a model, from when it is found until after it is gone; ``error`` says why it did not load."""

    number: int
    folder: Path
    state: State = State.START
    error: ServingError | None = None
    servable: Servable | None = None
    """There while the version is AVAILABLE."""
    dropped: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the version is not to be served any more."""
    job: asyncio.Task[None] | None = None
    """Its load or its unload, running or done."""

    @property
    def wanted(self) -> bool:
        """Whether the version is to be served."""
        return not self.dropped.is_set()


class Repository:
    """Every version that there is or was since the start, by model and number, and the labels of the models."""

    def __init__(self) -> None:
        self.versions: dict[str, dict[int, Version]] = {}
        self.labels: dict[str, dict[str, int]] = {}

    def find(self, name: str, version: int | None = None, label: str | None = None) -> Servable:
        """Return the version that a request names, or else the latest one that is available.

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
        """Return the state of a model's versions, the newest first, or of the one version asked for.

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
        """Return a model's versions, by falling number."""
        versions = self.versions.get(name, {})
        return [versions[number] for number in sorted(versions, reverse=True)]
