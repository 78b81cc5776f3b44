"""Serve the configured versions, and replace them without a gap.

Follows TensorFlow Serving's server_core.cc (configurations, labels), file_system_storage_path_source.cc (polling),
aspired_versions_manager.cc and availability_preserving_policy.cc (the order of loads and unloads). All state is changed
on the event loop, so it is constant between two awaits; disk access and engines run in threads.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from deploy.embedded.errors import Code, ServingError, StartError, invalid
from deploy.embedded.lifecycle.config import Model, Specific
from deploy.embedded.lifecycle.loader import Loader
from deploy.embedded.lifecycle.scan import scan
from deploy.embedded.repository import Repository, State, Version

logger = logging.getLogger(__name__)


class Lifecycle:
    """Synchronize a repository with the configuration and base paths."""

    def __init__(
        self,
        repository: Repository,
        loader: Loader,
        *,
        poll_s: float = 1,
        labels_for_unavailable: bool = False,
    ) -> None:
        """Create the lifecycle of a repository.

        Args:
            repository: holds the versions.
            loader: loads and unloads them.
            poll_s: seconds between two scans of the base paths; 0 scans once for each configuration, a negative value
                never.
            labels_for_unavailable: allow new labels for versions that are not available.
        """
        self._repository = repository
        self._loader = loader
        self._poll_s = poll_s
        self._labels_for_unavailable = labels_for_unavailable
        self._models: dict[str, Model] = {}
        self._folders: dict[str, Mapping[int, Path]] = {}
        """The versions to serve, by model."""
        self._updating = asyncio.Lock()
        self._changed = asyncio.Event()
        self._polling: asyncio.Task[None] | None = None
        self._warnings: dict[str, str] = {}

    @property
    def names(self) -> Sequence[str]:
        """The names of the models to serve."""
        return tuple(self._models)

    async def start(self, models: Sequence[Model]) -> None:
        """Load the initial models and start polling.

        Raises:
            StartError: a model cannot be loaded, or has no version and is not polled.
        """
        if self._poll_s > 0:
            self._polling = asyncio.create_task(self._poll())
        try:
            await self.update(models)
            if self._poll_s == 0 and (missing := [name for name in self._models if not self._folders.get(name)]):
                raise StartError(self._warnings[missing[0]])
            await self._wait_until_available([model.name for model in models], "servable")
        except ServingError as error:
            raise StartError(" ".join(error.text.split())) from error

    async def stop(self) -> None:
        """Stop polling, loading and unloading.

        Loaded versions stay.
        """
        held = self._repository.versions.values()
        tasks = [version.job for versions in held for version in versions.values() if version.job is not None]
        if self._polling is not None:
            tasks.append(self._polling)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def reload(self, models: Sequence[Model]) -> None:
        """Replace the served models and wait for new ones.

        It returns when each new one is available.

        Raises:
            ServingError: the list cannot be served (see ``update``), or UNKNOWN, a new model could not be loaded.
        """
        await self._wait_until_available(await self.update(models), "model")

    async def update(self, models: Sequence[Model]) -> list[str]:
        """Replace the served models and return new ones' names.

        It returns when the new ones have loaded or failed. A model without a version on disk is not waited for, so that
        a mistyped path does not block the next update.

        Raises:
            ServingError: FAILED_PRECONDITION, a label is for a version that is not available; nothing changes then.
                INVALID_ARGUMENT, a model has request logging, which the stock server also rejects after it has applied
                the list.
        """
        async with self._updating:
            self._repository.labels = self._labels(models)
            new = [model.name for model in models if model.name not in self._models]
            gone = self._models.keys() - {model.name for model in models}
            self._models = {model.name: model for model in models}
            for name in gone:
                self._warnings.pop(name, None)
                self._serve(name, {})
            if self._poll_s >= 0:
                await self._scan_models()
            else:
                logger.warning("--file_system_poll_wait_seconds is negative, so versions are not searched for.")
            await self._until(lambda: all(self._newest_finished(name) or not self._folders.get(name) for name in new))
            if any(model.logs_requests for model in models):
                msg = "No request-logger-creator provided."
                raise invalid(msg)
            return new

    def _labels(self, models: Iterable[Model]) -> dict[str, dict[str, int]]:
        """Return the label map of these models.

        Raises:
            ServingError: FAILED_PRECONDITION, a label is for a version that is not available.
        """
        for model in models:
            versions = self._repository.versions.get(model.name, {})
            labels = self._repository.labels.get(model.name, {})
            for label, number in sorted(model.labels.items()):
                if self._labels_for_unavailable and labels.get(label, number) == number:
                    continue
                if number not in versions or versions[number].state is not State.AVAILABLE:
                    msg = (
                        f"Request to assign label to version {number} of model {model.name}, which is not currently "
                        "available for inference"
                    )
                    raise ServingError(Code.FAILED_PRECONDITION, msg)
        return {model.name: dict(model.labels) for model in models if model.labels}

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(self._poll_s)
            await self._scan_models()

    async def _scan_models(self) -> None:
        """Scan every base path and apply the changes."""
        models = tuple(self._models.values())
        for model, found in zip(models, await asyncio.to_thread(_scan_all, models), strict=True):
            if self._models.get(model.name) is model:  # otherwise the configuration has changed during the scan
                self._apply_scan(model, found)

    def _apply_scan(self, model: Model, found: Mapping[int, Path] | ServingError) -> None:
        """Serve the versions found.

        An unreadable base path does not unload its versions.
        """
        warning = ""
        if isinstance(found, ServingError):
            warning = f"FileSystemStoragePathSource encountered a filesystem access error: {found.message}"
        else:
            chosen = model.policy.choose(found)
            if not chosen:
                warning = (
                    f"No versions of servable {model.name} found under base path {model.base_path}. "
                    "Did you forget to name your leaf directory as a number (eg. '/1/')?"
                )
            elif isinstance(model.policy, Specific) and (missing := model.policy.numbers - chosen):
                numbers = ", ".join(map(str, sorted(missing)))
                warning = (
                    f"Version {numbers} of servable {model.name}, which was requested to be served as a 'specific' "
                    "version in the servable's version policy, was not found in the file system"
                )
            self._serve(model.name, {number: found[number] for number in chosen})
        if warning and warning != self._warnings.get(model.name):
            logger.warning(warning)
        self._warnings[model.name] = warning

    def _serve(self, name: str, folders: Mapping[int, Path]) -> None:
        """Set the versions of a model to serve."""
        self._folders[name] = folders
        versions = self._repository.versions.setdefault(name, {})
        for number in versions.keys() - folders.keys():
            versions[number].dropped.set()
        for number, folder in folders.items():
            version = versions.get(number)
            if version is None or (version.state is State.END and not version.wanted):
                versions[number] = Version(number, folder)
            elif version.state is not State.UNLOADING:  # an unloading version is loaded again once it is gone
                version.dropped.clear()
        self._advance(name)
        self._changed.set()
        self._changed = asyncio.Event()

    def _advance(self, name: str) -> None:
        """Start loads and unloads.

        Keep one old version until a wanted one serves.
        """
        versions = self._repository.newest_first(name)
        wanted = [version for version in versions if version.wanted]
        serving = any(version.state is State.AVAILABLE for version in wanted)
        old = [version for version in versions if not version.wanted and version.state is State.AVAILABLE]
        for version in old if serving or not wanted else old[1:]:
            version.state = State.UNLOADING
            self._begin(name, version, self._loader.unload(version))
        for version in wanted:
            if version.job is None:
                self._begin(name, version, self._loader.load(name, version))

    def _begin(self, name: str, version: Version, work: Coroutine[Any, Any, None]) -> None:
        async def job() -> None:
            await work
            self._serve(name, self._folders[name])  # starts the next step

        version.job = asyncio.create_task(job())

    async def _wait_until_available(self, names: Sequence[str], noun: str) -> None:
        """Wait until one version of each model is available.

        Raises:
            ServingError: UNKNOWN, the newest finished version of a model has failed.
        """
        await self._until(lambda: all(self._newest_finished(name) or name not in self._models for name in names))
        failed = []
        for name in sorted(names):
            version = self._newest_finished(name)
            if version is None:
                failed.append(f"{{name: {name}}} due to error: ABORTED: a later configuration does without it")
            elif version.error is not None:
                failed.append(f"{{name: {name} version: {version.number}}} due to error: {version.error.text}")
        if failed:
            listed = "".join(f"{{{reason}}}, " for reason in failed)
            msg = f"{len(failed)} {noun}(s) did not become available: {{{listed}}}"
            raise ServingError(Code.UNKNOWN, msg)

    def _newest_finished(self, name: str) -> Version | None:
        """Return the newest available or failed version, if any."""
        for version in self._repository.newest_first(name):
            if version.wanted and version.state in (State.AVAILABLE, State.END):
                return version
        return None

    async def _until(self, reached: Callable[[], bool]) -> None:
        while not reached():
            await self._changed.wait()


def _scan_all(models: Sequence[Model]) -> list[Mapping[int, Path] | ServingError]:
    """Scan the base path of each model.

    They are scanned one by one, as upstream: with hundreds of models, a thread for each would block the event loop.
    """
    return [_scan(model) for model in models]


def _scan(model: Model) -> Mapping[int, Path] | ServingError:
    try:
        return scan(model.base_path, model.name)
    except ServingError as error:
        return error
