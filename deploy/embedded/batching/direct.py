"""Every request by itself."""

import asyncio
import concurrent.futures
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, TypeVarTuple

from deploy.embedded.engines import Array, Engine
from deploy.embedded.errors import Code, ServingError

THREADS_A_CORE = 4
"""How many requests run alone at a time, for each core: as many as TensorFlow Serving answers at a time by default
(``grpc_max_threads`` and ``rest_api_num_threads``). Nothing interrupts a run, so one whose caller has given up holds
its thread to the end; there are more threads than cores so that a few of them do not hold up everybody."""

Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")


class Direct:
    """Runs every request alone, in a thread, since a run releases the GIL and would otherwise stop the loop.

    A request that finds no thread free waits, in order of arrival, until its time is over or its caller gives it up;
    then it leaves the queue and does not run. TensorFlow Serving's REST API waits too, and its gRPC API refuses at
    once ("Server Threadpool Exhausted").
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
        """Run one request alone (see ``Way.run``)."""
        return await self._in_thread(self._engine.run, signature, inputs, outputs)

    async def run_several(
        self, inputs: Mapping[str, Array], outputs: Mapping[str, Sequence[str]]
    ) -> dict[str, dict[str, Array]]:
        """Run one request for several signatures (see ``Runner.run_several``)."""
        return await self._in_thread(self._engine.run_several, inputs, outputs)

    async def close(self) -> None:
        """Wait for the runs that have begun, also for those whose callers have gone."""
        self._closed = True
        await asyncio.gather(*map(asyncio.wrap_future, list(self._running)), return_exceptions=True)

    async def _in_thread(self, work: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        if self._closed:
            raise closed()
        run = self._threads.submit(work, *arguments)
        self._running.add(run)
        run.add_done_callback(self._running.discard)
        return await asyncio.wrap_future(run)


def closed() -> ServingError:
    """Return what a request gets that comes to a version on its way out."""
    msg = "The version is being unloaded; ask again, and the next version answers."
    return ServingError(Code.UNAVAILABLE, msg)
