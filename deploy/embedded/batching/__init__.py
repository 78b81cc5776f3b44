"""Batch the requests of a version.

Two kinds of signatures run in batches. Those of this project's exports always do, unless ``--enable_batching=false`` is
given: no request waits for a batch to fill, answers are the same as without batching, and throughput under load doubles
(``by_length`` selects the requests, ``contract`` merges them). All others run as in TensorFlow Serving: alone, or
concatenated with ``--enable_batching`` (``by_arrival`` and ``concat``).

    SignatureRouter -> DirectRunner
                    -> ContractRunner -> Scheduler (threads) -> LengthQueue (selects), contract (merges, runs, splits)
                    -> ConcatRunner   -> Scheduler (threads) -> ArrivalQueue (selects), concat (merges, runs, splits)
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
from deploy.embedded.batching.direct import DirectRunner
from deploy.embedded.engines import Array, Engine
from deploy.embedded.errors import StartError, invalid
from deploy.embedded.flags import Settings
from deploy.embedded.proto.config_pb2 import BatchingParameters
from deploy.embedded.types import check_types

__all__ = ["DirectRunner", "Options", "Runner", "SignatureRunner", "create_runner", "options"]


class SignatureRunner(Protocol):
    """Run requests for some signatures of a version."""

    async def run(
        self, signature: str, inputs: Mapping[str, Array], outputs: Sequence[str], *, wait_for_room: bool = False
    ) -> dict[str, Array]:
        """Run one request (see ``Engine.run``).

        Cancelling removes it from the queue if it has not begun.

        Args:
            signature: one of the engine's.
            inputs: as for ``Engine.run``.
            outputs: as for ``Engine.run``.
            wait_for_room: wait if the queue is full, as TensorFlow Serving's REST API does; UNAVAILABLE is raised
                otherwise.
        """

    async def close(self) -> None:
        """Reject new requests and wait for all runs."""


class Runner(SignatureRunner, Protocol):
    """Run requests on one version of a model."""

    async def run_several(
        self, inputs: Mapping[str, Array], outputs: Mapping[str, Sequence[str]]
    ) -> dict[str, dict[str, Array]]:
        """Run one request for several signatures, alone (see ``Engine.run_several``)."""


@dataclass(frozen=True, slots=True)
class Options:
    """The batching options of the command line."""

    contract: bool
    """Whether the signatures of this project's exports run in batches."""
    parameters: BatchingParameters | None
    """The parameters of all other signatures; None disables their batching."""
    per_version: bool
    """Whether each version's folder has its own parameters."""
    cores: int
    """The number of batch threads if ``parameters`` does not set it."""


def options(settings: Settings, cores: int) -> Options:
    """Return the batching options of the settings.

    Raises:
        StartError: the batching parameters file cannot be read or is invalid.
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
        folder: the version's folder, which may have its own batching parameters.
        options: how requests run.
        threads: runs the requests that are not batched.

    Raises:
        ServingError: INVALID_ARGUMENT, the version's own batching parameters are invalid.
    """
    found = options.parameters
    if found is not None and options.per_version:
        try:
            found = parameters.read_of_version(folder, found)
        except StartError as error:
            raise invalid(str(error)) from error
    direct = DirectRunner(engine, threads)
    contract = {
        name for name, definition in engine.signatures.items() if options.contract and follows_contract(definition)
    }
    # Create only runners that a signature uses: each starts threads, and close() reaches only these.
    runners: dict[str, SignatureRunner] = dict.fromkeys(engine.signatures, direct)
    if found is not None and contract != set(engine.signatures):
        runners |= dict.fromkeys(engine.signatures, ConcatRunner(engine, found, options.cores))
    if contract:
        runners |= dict.fromkeys(contract, ContractRunner(engine, found or BatchingParameters()))
    return SignatureRouter(engine, runners, direct)


class SignatureRouter:
    """Send a request to its signature's runner.

    Several signatures run directly, as upstream.
    """

    def __init__(self, engine: Engine, runners: Mapping[str, SignatureRunner], direct: DirectRunner) -> None:
        self._engine = engine
        self._runners = runners
        self._direct = direct

    async def run(
        self, signature: str, inputs: Mapping[str, Array], outputs: Sequence[str], *, wait_for_room: bool = False
    ) -> dict[str, Array]:
        """Run one request (see ``SignatureRunner.run``)."""
        check_types(self._engine, [signature], inputs)  # before others share a batch with it
        return await self._runners[signature].run(signature, inputs, outputs, wait_for_room=wait_for_room)

    async def run_several(
        self, inputs: Mapping[str, Array], outputs: Mapping[str, Sequence[str]]
    ) -> dict[str, dict[str, Array]]:
        """Run one request for several signatures (see ``Runner.run_several``)."""
        check_types(self._engine, outputs, inputs)
        return await self._direct.run_several(inputs, outputs)

    async def close(self) -> None:
        """Close all runners."""
        await asyncio.gather(*(runner.close() for runner in {*self._runners.values(), self._direct}))
