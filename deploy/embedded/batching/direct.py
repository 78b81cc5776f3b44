"""Run requests without batching."""

import asyncio
import concurrent.futures
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, TypeVarTuple

from deploy.embedded.engines import Array, Engine
from deploy.embedded.errors import Code, ServingError

THREADS_PER_CORE = 4
"""Concurrent unbatched runs for each core, TensorFlow Serving's default for ``grpc_max_threads`` and
``rest_api_num_threads``. A run cannot be interrupted, so a cancelled request keeps its thread to the end; with more
threads than cores, a few of them do not block all others."""

Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")


class DirectRunner:
    """Run every request alone in a thread.

    The threads keep the event loop free. If all threads are busy, a request waits in order of arrival. On timeout or
    cancellation it leaves the queue without running. TensorFlow Serving's REST API waits too; its gRPC API rejects
    requests ("Server Threadpool Exhausted").
    """

    def __init__(self, engine: Engine, threads: concurrent.futures.Executor) -> None:
        self._engine = engine
        self._threads = threads
        self._running: set[concurrent.futures.Future[Any]] = set()
        self._closed = False

    async def run(
        self,
        signature: str,
        inputs: Mapping[str, Array],
        outputs: Sequence[str],
        *,
        wait_for_room: bool = True,  # noqa: ARG002 - it always waits
    ) -> dict[str, Array]:
        """Run one request alone (see ``SignatureRunner.run``)."""
        return await self._in_thread(self._engine.run, signature, inputs, outputs)

    async def run_several(
        self, inputs: Mapping[str, Array], outputs: Mapping[str, Sequence[str]]
    ) -> dict[str, dict[str, Array]]:
        """Run one request for several signatures (see ``Runner.run_several``)."""
        return await self._in_thread(self._engine.run_several, inputs, outputs)

    async def close(self) -> None:
        """Wait for all runs, including those of cancelled requests."""
        self._closed = True
        await asyncio.gather(*map(asyncio.wrap_future, list(self._running)), return_exceptions=True)

    async def _in_thread(self, work: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        if self._closed:
            raise unloading_error()
        run = self._threads.submit(work, *arguments)
        self._running.add(run)
        run.add_done_callback(self._running.discard)
        return await asyncio.wrap_future(run)


def unloading_error() -> ServingError:
    """Create the error for requests to an unloading version."""
    msg = "The version is being unloaded; retry, and the next version answers."
    return ServingError(Code.UNAVAILABLE, msg)
