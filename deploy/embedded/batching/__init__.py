"""What stands between requests and an engine: with whom a request runs, and when.

Two kinds of signatures run in batches. Those of this project's exports always do, unless ``--enable_batching=false``
says no: nobody waits for it, the answers stay what they are alone, and under load there are twice as many of them
(``by_length`` decides who runs together, ``contract`` puts them together). All others run as TensorFlow Serving runs
them: alone, or with ``--enable_batching`` one under the other (``by_arrival`` and ``concat``).

    BySignature -> Direct
                -> ContractRunner -> Scheduler (threads) -> LengthQueue (who is next), contract (merge, run, split)
                -> ConcatRunner   -> Scheduler (threads) -> ArrivalQueue (who is next), concat (merge, run, split)
"""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from deploy.embedded.batching import parameters
from deploy.embedded.batching.concat import ConcatRunner
from deploy.embedded.batching.contract import ContractRunner, follows_contract
from deploy.embedded.batching.direct import Direct
from deploy.embedded.engines import Array, Engine
from deploy.embedded.errors import StartError, invalid
from deploy.embedded.flags import Settings
from deploy.embedded.proto.config_pb2 import BatchingParameters
from deploy.embedded.types import check_types

__all__ = ["Direct", "Options", "Runner", "Way", "create_runner", "options"]


class Way(Protocol):
    """Runs requests for some signatures of a version."""

    async def run(
        self, signature: str, inputs: Mapping[str, Array], outputs: Sequence[str], *, wait_for_room: bool = False
    ) -> dict[str, Array]:
        """Run one request (see ``Engine.run``); cancelling it takes it out of the queue if it has not begun.

        Args:
            signature: one of the engine's.
            inputs: as for ``Engine.run``.
            outputs: as for ``Engine.run``.
            wait_for_room: wait where the queue is full, as requests do in TensorFlow Serving's REST API; UNAVAILABLE
                is raised otherwise.
        """

    async def close(self) -> None:
        """Accept nothing new, and return when nothing runs any more."""


class Runner(Way, Protocol):
    """Runs requests on one version of a model."""

    async def run_several(
        self, inputs: Mapping[str, Array], outputs: Mapping[str, Sequence[str]]
    ) -> dict[str, dict[str, Array]]:
        """Run one request for several signatures, alone (see ``Engine.run_several``)."""


@dataclass(frozen=True, slots=True)
class Options:
    """How requests run, by the command line."""

    contract: bool
    """Whether the signatures of this project's exports run in batches."""
    parameters: BatchingParameters | None
    """How all other signatures run in batches; None is not at all."""
    per_version: bool
    """Whether each version's folder says how, instead of ``parameters``."""
    cores: int
    """How many batches run at the same time if ``parameters`` does not say."""


def options(settings: Settings, cores: int) -> Options:
    """Return what the command line asks for.

    Raises:
        StartError: the batching parameters file cannot be read or asks for something impossible.
    """
    common = BatchingParameters() if settings.enable_batching else None
    if settings.batching_parameters_file is not None:
        common = parameters.read(settings.batching_parameters_file)
    return Options(
        contract=settings.enable_batching is not False,
        parameters=common,
        per_version=settings.enable_per_model_batching_parameters,
        cores=cores,
    )


def create_runner(engine: Engine, folder: Path, *, options: Options, threads: Executor) -> Runner:
    """Return the runner of one version.

    Args:
        engine: the version, loaded.
        folder: where it was loaded from; it may hold batching parameters of its own.
        options: how requests run.
        threads: where requests run that run alone.

    Raises:
        ServingError: INVALID_ARGUMENT, the version's own batching parameters cannot be used.
    """
    found = options.parameters
    if found is not None and options.per_version:
        try:
            found = parameters.read_of_version(folder, found)
        except StartError as error:
            raise invalid(str(error)) from error
    direct = Direct(engine, threads)
    contract = {
        name for name, definition in engine.signatures.items() if options.contract and follows_contract(definition)
    }
    # Only what some signature uses is made: it starts threads, and only what is used is closed.
    ways: dict[str, Way] = dict.fromkeys(engine.signatures, direct)
    if found is not None and contract != set(engine.signatures):
        ways |= dict.fromkeys(engine.signatures, ConcatRunner(engine, found, options.cores))
    if contract:
        ways |= dict.fromkeys(contract, ContractRunner(engine, found or BatchingParameters()))
    return BySignature(engine, ways, direct)


class BySignature:
    """Sends every request the way of its signature, and one for several signatures the direct way, as upstream does."""

    def __init__(self, engine: Engine, ways: Mapping[str, Way], direct: Direct) -> None:
        self._engine = engine
        self._ways = ways
        self._direct = direct

    async def run(
        self, signature: str, inputs: Mapping[str, Array], outputs: Sequence[str], *, wait_for_room: bool = False
    ) -> dict[str, Array]:
        """Run one request (see ``Way.run``)."""
        check_types(self._engine, [signature], inputs)  # before others share a batch with it
        return await self._ways[signature].run(signature, inputs, outputs, wait_for_room=wait_for_room)

    async def run_several(
        self, inputs: Mapping[str, Array], outputs: Mapping[str, Sequence[str]]
    ) -> dict[str, dict[str, Array]]:
        """Run one request for several signatures (see ``Runner.run_several``)."""
        check_types(self._engine, outputs, inputs)
        return await self._direct.run_several(inputs, outputs)

    async def close(self) -> None:
        """Close every way once."""
        await asyncio.gather(*(way.close() for way in {*self._ways.values(), self._direct}))
