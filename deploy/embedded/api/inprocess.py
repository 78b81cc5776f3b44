"""Answer the thin client in the server's own process.

There is no port: requests and answers are arrays that are never encoded. Batching, warmup and version changes are those
of the server with its default flags.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from bert_mlm_client import ModelStatus, Request, VersionStatus
from bert_mlm_client.errors import BertMlmError, ServerTimeoutError
from bert_mlm_client.transport import Answer, status_class

from deploy.embedded import flags
from deploy.embedded.engines.onnx import OnnxEngine
from deploy.embedded.errors import Code, ServingError, StartError
from deploy.embedded.host import ModelHost
from deploy.embedded.inference.predict import predict
from deploy.embedded.lifecycle.config import Model
from deploy.embedded.repository import Repository


class InProcessServer:
    """Serve models with the light engine, without a port.

    Args:
        models: the folder of each model's versions, by the model's name.
        threads: cores for one run; 0 is all of them.
    """

    def __init__(self, models: Mapping[str, Path], *, threads: int = 0) -> None:
        self._models = tuple(Model(name, folder.absolute()) for name, folder in models.items())
        self._host = ModelHost(flags.parse([]), partial(OnnxEngine, threads=threads))
        self._loading: asyncio.Task[None] | None = None

    def transport(self, model: str) -> "InProcessTransport":
        """Return the client's transport to a model."""
        return InProcessTransport(self._host.repository, model)

    def start(self) -> None:
        """Start loading the models, and polling for other versions."""
        self._loading = asyncio.create_task(self._load())

    async def close(self) -> None:
        """Stop loading and close the models after their current runs."""
        if self._loading is not None:
            self._loading.cancel()
            with suppress(asyncio.CancelledError):
                await self._loading
        await self._host.lifecycle.stop()
        await self._host.close()

    async def _load(self) -> None:
        # The loader has logged the error, and polling continues: another version may load.
        with suppress(StartError):
            await self._host.lifecycle.start(self._models)


class InProcessTransport:
    """The client's asyncio transport to a model in this process."""

    def __init__(self, repository: Repository, model: str) -> None:
        self._repository = repository
        self._model = model

    async def predict(self, request: Request, *, timeout: float) -> Answer:  # noqa: ASYNC109  as for every transport
        """Run a request (see `AsyncTransport.predict`).

        If the queue is full, it waits, as over REST.
        """
        try:
            servable = self._repository.find(self._model)
            outputs = await predict(
                servable,
                request.signature,
                request.inputs,
                output_filter=request.outputs,
                timeout_s=timeout,
                wait_for_room=True,
            )
        except ServingError as error:
            raise self._convert(error, timeout, request.signature) from error
        return Answer(outputs, servable.version)

    async def status(self, *, timeout: float) -> ModelStatus:  # noqa: ASYNC109, ARG002  as for every transport
        """Return the states of the model's versions."""
        try:
            versions = self._repository.status(self._model)
        except ServingError as error:
            raise self._convert(error) from error
        return ModelStatus(
            self._model,
            tuple(
                VersionStatus(
                    version.number,
                    version.state.name,
                    (version.error.code if version.error else Code.OK).name,
                    version.error.message if version.error else "",
                )
                for version in versions
            ),
        )

    async def close(self) -> None:
        """Leave the models to their server."""

    def _convert(self, error: ServingError, timeout: float = 0.0, signature: str | None = None) -> BertMlmError:
        """Convert an error to the client's, as over gRPC."""
        if error.code is Code.DEADLINE_EXCEEDED:
            msg = f"no answer in {timeout:g} s; check the machine's load, or allow a longer timeout"
            return ServerTimeoutError(msg, model=self._model, signature=signature)
        kind = status_class(error.code.name, error.message)
        return kind(f"the engine in this process answered: {error.message}", model=self._model, signature=signature)
