"""Load and unload versions in threads while others answer.

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
"""Creates the runner of the engine of the version in a folder."""

# Interval of the collections that break reference cycles which keep a servable alive after its last request.
_GC_INTERVAL_S = 5


class Loader:
    """Load and unload versions with limited concurrency."""

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
        """Create the thread pools.

        Args:
            load: loads and warms up the version in a folder; called in a thread.
            create_runner: makes the version's runner; called in a thread.
            max_num_load_retries: retries after a failed load.
            retry_interval_s: the delay before a retry, in seconds.
            num_load_threads: concurrent loads, also at the start; 0 is one. Concurrent loads need more memory, and
                Python's part of a load is no faster.
            num_unload_threads: concurrent unloads; 0 is one. If both are 0, one version loads or unloads at a time.
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
        """Load a version with retries.

        Its state becomes AVAILABLE, or END with an error.
        """
        error = ServingError(Code.CANCELLED, "Load cancelled before we could try to load.")
        for attempt in range(1 + max(0, self._max_retries)):
            if attempt:
                await self._wait_for_retry(version)
            async with self._loading:
                if not version.wanted:
                    break
                if attempt:
                    logger.info("Loading model %s version %d again, retry %d.", name, version.number, attempt)
                version.state = State.LOADING
                try:
                    version.servable = await self._load_once(name, version)
                except Exception as failure:  # noqa: BLE001 - a loader may raise any exception
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
        """Withdraw a version and free it after its last request."""
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
        await self._in_thread(free_memory)  # memory that only the load needed
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

    async def _wait_for_retry(self, version: Version) -> None:
        """Wait for the retry interval unless the version is dropped."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._retry_interval_s):
                await version.dropped.wait()

    def _in_thread(self, work: Callable[[*Arguments], Result], *arguments: *Arguments) -> asyncio.Future[Result]:
        return asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)


def _released(servable: Servable) -> asyncio.Event:
    """Return an event set when a servable has no references."""
    released = asyncio.Event()
    weakref.finalize(servable, _set, released, asyncio.get_running_loop()).atexit = False
    return released


def _set(event: asyncio.Event, loop: asyncio.AbstractEventLoop) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(event.set)


async def _wait_for_last_request(released: asyncio.Event) -> None:
    while not released.is_set():
        try:
            async with asyncio.timeout(_GC_INTERVAL_S):
                await released.wait()
        except TimeoutError:
            await asyncio.to_thread(gc.collect)  # a cycle, for example of an exception, may refer to the servable


def _status(error: Exception) -> ServingError:
    """Convert an exception without its traceback.

    The traceback's frames refer to the model. TensorFlow's exceptions have a code.
    """
    if isinstance(error, ServingError):
        return ServingError(error.code, error.message)
    code, message = getattr(error, "error_code", None), getattr(error, "message", None)
    return ServingError(Code(code) if isinstance(code, int) else Code.UNKNOWN, str(message or error or type(error)))
