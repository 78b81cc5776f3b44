"""Run the embedded server (``python -m deploy.embedded --help``)."""

import asyncio
import gc
import logging
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NoReturn

import grpc
import uvloop

from deploy.embedded import flags, metrics, text_proto
from deploy.embedded.api import tls
from deploy.embedded.api.grpc import create_server
from deploy.embedded.api.health import Health
from deploy.embedded.api.model_service import ModelService
from deploy.embedded.api.rest import RestApi
from deploy.embedded.api.servers import GrpcServer, RestServer, Server, check_free, check_socket
from deploy.embedded.engines import Engine
from deploy.embedded.engines.choose import choose_engine
from deploy.embedded.engines.onnx import OnnxEngine
from deploy.embedded.engines.tensorflow import TensorFlowEngine
from deploy.embedded.errors import StartError
from deploy.embedded.flags import Settings
from deploy.embedded.host import ModelHost, cores
from deploy.embedded.lifecycle import config
from deploy.embedded.lifecycle.config_watch import watch
from deploy.embedded.lifecycle.manager import Lifecycle
from deploy.embedded.lifecycle.memory import tune_heap
from deploy.embedded.proto.config_pb2 import MonitoringConfig
from deploy.embedded.repository import Repository

logger = logging.getLogger("deploy.embedded")

GRACE_S = 5
"""Seconds that requests in flight have when the server stops."""

# TensorFlow Serving exits with -1, which a shell sees as 255.
_START_FAILED = 255


def main() -> None:
    """Run the server until Ctrl-C or SIGTERM."""
    tune_heap()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    try:
        settings = flags.parse(sys.argv[1:])
        models = config.models(settings)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            if not runner.run(_serve(settings, models)):
                _exit(0)
        gc.freeze()  # otherwise the collections at interpreter exit walk through TensorFlow for a second
    except StartError as error:
        logger.error("Cannot start: %s", error)  # noqa: TRY400 - the user's error: a traceback does not help
        print(f"Failed to start server. Error: {error}", flush=True)
        _exit(_START_FAILED)


def _exit(status: int) -> NoReturn:
    """Exit without waiting for threads.

    A thread may still load or run a model. Nothing can interrupt it, and a normal exit would wait for it.
    """
    logging.shutdown()
    os._exit(status)


async def _serve(settings: Settings, models: tuple[config.Model, ...]) -> bool:
    """Load the models and serve them until a signal.

    Returns:
        False if a model is still loading or running.

    Raises:
        StartError: a model cannot be loaded, a port is taken, or a configuration file is invalid.
    """
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, _begin_stop, stop)
    if settings.without_effect:
        logger.info("These flags are accepted and have no effect: --%s.", ", --".join(settings.without_effect))
    _check_ports(settings)
    credentials = tls.credentials(settings.ssl_config_file) if settings.ssl_config_file else None
    metrics_path = _metrics_path(settings)
    conversions = ThreadPoolExecutor(settings.rest_api_num_threads or 4 * cores(), thread_name_prefix="json")
    asyncio.get_running_loop().set_default_executor(conversions)

    host = ModelHost(settings, partial(_open, settings))
    repository, lifecycle = host.repository, host.lifecycle
    loading = asyncio.create_task(lifecycle.start(models))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({loading, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not loading.done():
        logger.info("Stopped before the models were loaded.")
        return False
    loading.result()

    servers = _grpc_servers(settings, repository, lifecycle, credentials) + _rest_servers(
        settings, repository, metrics_path
    )
    for server in servers:
        await server.start()
    logger.info("Serving %s", " and ".join(server.address for server in servers))
    reread_s = settings.model_config_file_poll_wait_seconds
    watching = asyncio.create_task(watch(settings.model_config_file, reread_s, lifecycle))
    await stopping
    watching.cancel()
    await lifecycle.stop()
    logger.info("Stopping; requests in flight have %d s.", GRACE_S)
    await asyncio.gather(*(server.stop(GRACE_S) for server in servers))
    idle = await host.close()
    logger.info("Stopped.")
    return idle


def _begin_stop(stop: asyncio.Event) -> None:
    """Begin a graceful stop.

    Restore the default handlers, so that a second signal kills the process.
    """
    stop.set()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().remove_signal_handler(number)
        signal.signal(number, signal.SIG_DFL)


def _check_ports(settings: Settings) -> None:
    """Check the ports before the slow load of the models."""
    if settings.port:
        check_free(settings.host, settings.port, "--port")
    if settings.rest_api_port:
        check_free(settings.host, settings.rest_api_port, "--rest_api_port")
    if settings.grpc_socket_path:
        check_socket(settings.grpc_socket_path)


def _metrics_path(settings: Settings) -> str | None:
    """Return the metrics' URL path, or None if disabled."""
    if settings.monitoring_config_file is None:
        return None
    prometheus = text_proto.read(settings.monitoring_config_file, MonitoringConfig()).prometheus_config
    return (prometheus.path or metrics.DEFAULT_PATH) if prometheus.enable else None


def _grpc_servers(
    settings: Settings, repository: Repository, lifecycle: Lifecycle, credentials: grpc.ServerCredentials | None
) -> list[Server]:
    if not settings.port and not settings.grpc_socket_path:
        return []
    health = Health() if settings.enable_grpc_healthcheck_service else None
    server = create_server(
        repository,
        ModelService(repository, lifecycle),
        as_content=settings.enable_serialization_as_tensor_content,
        check_method_names=settings.enable_signature_method_name_check,
        channel_arguments=settings.grpc_channel_arguments,
        health=health,
    )
    return [
        GrpcServer(
            server,
            host=settings.host,
            port=settings.port,
            socket_path=settings.grpc_socket_path,
            credentials=credentials,
            health=health,
        )
    ]


def _rest_servers(settings: Settings, repository: Repository, metrics_path: str | None) -> list[Server]:
    if not settings.rest_api_port:
        return []
    app = RestApi(
        repository,
        timeout_ms=settings.rest_api_timeout_in_ms,
        cors=settings.rest_api_enable_cors_support,
        metrics_path=metrics_path,
        check_method_names=settings.enable_signature_method_name_check,
    )
    return [RestServer(app, settings.host, settings.rest_api_port)]


def _open(settings: Settings, folder: Path) -> Engine:
    """Load a version with its engine."""
    if choose_engine(settings.engine, folder) == "onnx":
        return OnnxEngine(folder, threads=settings.tensorflow_intra_op_parallelism)
    return TensorFlowEngine(
        folder,
        tags=settings.saved_model_tags,
        intra_op_threads=settings.tensorflow_intra_op_parallelism,
        inter_op_threads=settings.tensorflow_inter_op_parallelism,
        gpu_memory_fraction=settings.per_process_gpu_memory_fraction,
    )


if __name__ == "__main__":
    main()
