"""Access the served models by network or in this process."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from bert_mlm_client.transport import AsyncTransport, open_async_transport

from deploy.gateway.model.coalesce import CoalescingTransport
from deploy.gateway.model.timing import TimedTransport
from deploy.gateway.settings import Settings, SettingsError

if TYPE_CHECKING:  # imported only where the engine runs
    from deploy.embedded.api.inprocess import InProcessServer


class ModelAccess:
    """Access to the models by network or in this process.

    Without a server, the engine runs in this process.

    Raises:
        SettingsError: ONNX Runtime is not installed.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._engine = None if settings.engine == "none" else _open_engine(settings)

    def transport(self, model: str, addresses: Sequence[str]) -> AsyncTransport:
        """Return a measured transport to a model.

        It connects at its first request, on the running loop.

        Args:
            model: the model's name.
            addresses: the servers that share its load; ignored by the engine.
        """
        if self._engine:
            return TimedTransport(self._engine.transport(model))
        return TimedTransport(CoalescingTransport(open_async_transport(addresses, model=model)))

    def start(self) -> None:
        """Start loading the models of an engine in this process."""
        if self._engine:
            self._engine.start()

    async def close(self) -> None:
        """Stop the engine.

        The transports are already closed.
        """
        if self._engine:
            await self._engine.close()


def _open_engine(settings: Settings) -> "InProcessServer":
    if find_spec("onnxruntime") is None:
        msg = (
            "GATEWAY_ENGINE=onnx needs ONNX Runtime, which is not installed; run "
            ".venv/bin/python -m pip install -c constraints.txt --group gateway-onnx"
        )
        raise SettingsError(msg)
    from deploy.embedded.api.inprocess import InProcessServer

    folders = {settings.model_name: settings.model_folder, settings.classifier: settings.classifier_versions}
    models = {name: folder for name, folder in folders.items() if name and folder}
    return InProcessServer(models, threads=settings.engine_threads)
