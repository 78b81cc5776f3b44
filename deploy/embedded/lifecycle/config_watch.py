"""Poll the model config file (``--model_config_file_poll_wait_seconds``)."""

import asyncio
import logging
from pathlib import Path

from deploy.embedded import text_proto
from deploy.embedded.errors import ServingError, StartError
from deploy.embedded.lifecycle.config import listed_models
from deploy.embedded.lifecycle.manager import Lifecycle
from deploy.embedded.proto.config_pb2 import ModelServerConfig

logger = logging.getLogger(__name__)


async def watch(path: Path | None, poll_s: float, lifecycle: Lifecycle) -> None:
    """Apply the file every ``poll_s`` seconds.

    Return at once without a file or an interval.

    An invalid file changes nothing and is logged, once for each fault.
    """
    last_fault = ""
    while path is not None and poll_s > 0:
        await asyncio.sleep(poll_s)
        fault = ""
        try:
            config = await asyncio.to_thread(text_proto.read, path, ModelServerConfig())
            await lifecycle.update(listed_models(config, lifecycle.names))
        except StartError as error:
            fault = f"Failed to read ModelServerConfig file: {error}"
        except ServingError as error:
            fault = f"PollFilesystemAndReloadConfig failed to ReloadConfig: {error.message}"
        if fault and fault != last_fault:
            logger.error(fault)
        last_fault = fault
