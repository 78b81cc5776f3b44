"""Load a version and unload it, in threads, so that the other versions go on answering.

Retries, states and texts follow tensorflow_serving/core/loader_harness.cc and basic_manager.cc.
"""

import asyncio
import contextlib
import gc
import logging
import time
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar, TypeVarTuple

from deploy.embedded.batching import Runner
from deploy.embedded.engines import Engine, Load
from deploy.embedded.errors import Code, ServingError
from deploy.embedded.lifecycle.memory import free_memory, loading
from deploy.embedded.repository import Servable, State, Version

logger = logging.getLogger(__name__)

Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")
CreateRunner = Callable[[Engine, Path], Runner]
"""Makes what runs requests on the engine of the version in this folder."""

# How often to look for reference cycles that keep a servable alive after its last request.
_CYCLES_EVERY_S = 5


class Loader:
    """Loads and unloads versions, so many at a time."""

    def __init__(
        self,
        load: Load,
        create_runner: CreateRunner,
        *,
        max_num_load_retries: int = 5,
        retry_interval_s: float = 60,
        num_load_threads: int = 0,
        num_unload_threads: int = 0,
    ) -> None:
        """Load with ``load``, and again after a failure.

        Args:
            load: loads and warms up the version in a folder; called in a thread.
            create_runner: makes the version's runner; called in a thread.
            max_num_load_retries: how often to try again after a load has failed.
            retry_interval_s: how long to wait before that, in seconds.
            num_load_threads: how many versions load at a time, also at the start: side by side they need more memory,
                and Python's part of a load is no faster. 0 is one.
            num_unload_threads: how many versions unload at a time; 0 is one. If both are 0, one loads or unloads.
        """
        self._load = load
        self._create_runner = create_runner
        self._max_retries = max_num_load_retries
        self._retry_interval_s = retry_interval_s
        loads, unloads = max(1, num_load_threads), max(1, num_unload_threads)
        self._threads = ThreadPoolExecutor(loads + unloads, thread_name_prefix="load")
        self._loading = asyncio.Semaphore(loads)
        one_in_all = num_load_threads <= 0 and num_unload_threads <= 0
        self._unloading = self._loading if one_in_all else asyncio.Semaphore(unloads)

    async def load(self, name: str, version: Version) -> None:
        """Load a version and make it AVAILABLE, or END it with its error after the last retry."""
        error = ServingError(Code.CANCELLED, "Load cancelled before we could try to load.")
        for attempt in range(1 + max(0, self._max_retries)):
            if attempt:
                await self._pause(version)
            async with self._loading:
                if not version.wanted:
                    break
                if attempt:
                    logger.info("Trying again to load model %s version %d, retry %d.", name, version.number, attempt)
                version.state = State.LOADING
                try:
                    version.servable = await self._load_once(name, version)
                except Exception as failure:  # noqa: BLE001 - a loader raises anything, and all of it means: not now
                    error = _status(failure)
                else:
                    version.state = State.AVAILABLE
                    return
            logger.error(
                "Version %d of model %s in %s cannot be loaded: %s",
                version.number,
                name,
                version.folder,
                " ".join(error.text.split()),
            )
        version.state, version.error = State.END, error
        await self._in_thread(free_memory)

    async def unload(self, version: Version) -> None:
        """Take a version out of service, wait until its last request is answered, and free what it holds."""
        servable = version.servable
        if servable is None:
            return
        name, engine, runner = servable.name, servable.engine, servable.runner
        released = _released(servable)
        version.state, version.servable = State.UNLOADING, None
        del servable
        await _wait_for_last_request(released)
        try:
            await runner.close()
            async with self._unloading:
                await self._in_thread(engine.close)
                del engine, runner
                await self._in_thread(free_memory)
        except Exception:
            logger.exception("Model %s version %d is unloaded, but could not be closed.", name, version.number)
        version.state = State.END
        logger.info("Unloaded model %s version %d.", name, version.number)

    async def _load_once(self, name: str, version: Version) -> Servable:
        started = time.perf_counter()
        engine, runner = await self._in_thread(self._open, version.folder)
        await self._in_thread(free_memory)  # what only the load needed
        took_ms = (time.perf_counter() - started) * 1000
        logger.info("Loaded model %s version %d from %s in %.0f ms.", name, version.number, version.folder, took_ms)
        return Servable(name, version.number, engine, runner)

    def _open(self, folder: Path) -> tuple[Engine, Runner]:
        with loading():
            engine = self._load(folder)
        try:
            return engine, self._create_runner(engine, folder)
        except Exception:
            engine.close()
            raise

    async def _pause(self, version: Version) -> None:
        """Wait for the next try, or until nobody wants the version."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._retry_interval_s):
                await version.dropped.wait()

    def _in_thread(self, work: Callable[[*Arguments], Result], *arguments: *Arguments) -> asyncio.Future[Result]:
        return asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)


def _released(servable: Servable) -> asyncio.Event:
    """Return an event that is set when nothing refers to the servable any more, from whatever thread."""
    released = asyncio.Event()
    weakref.finalize(servable, _set, released, asyncio.get_running_loop()).atexit = False
    return released


def _set(event: asyncio.Event, loop: asyncio.AbstractEventLoop) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(event.set)


async def _wait_for_last_request(released: asyncio.Event) -> None:
    while not released.is_set():
        try:
            async with asyncio.timeout(_CYCLES_EVERY_S):
                await released.wait()
        except TimeoutError:
            await asyncio.to_thread(gc.collect)  # a cycle, of an exception for instance, may hold the servable


def _status(error: Exception) -> ServingError:
    """Return what went wrong, without the stack, whose frames hold what was loaded; TensorFlow's errors have a code."""
    if isinstance(error, ServingError):
        return ServingError(error.code, error.message)
    code, message = getattr(error, "error_code", None), getattr(error, "message", None)
    return ServingError(Code(code) if isinstance(code, int) else Code.UNKNOWN, str(message or error or type(error)))
