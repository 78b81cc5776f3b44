"""The gateway before the server: the workbench, the JSON API and the request log."""

import os
from contextlib import AbstractContextManager
from http import HTTPStatus
from pathlib import Path

from deploy.local.process import Running, ask, run_module

START_S = 60.0
STOP_S = 12.0
"""Longer than the gateway's own ``GATEWAY_GRACE_S`` for requests in flight."""


def run_gateway(servable: Path, *, port: int, grpc_port: int, log: Path) -> AbstractContextManager[Running]:
    """Run the gateway on this machine until the block ends; it begins once questions are answered.

    Further settings come from the environment, as they do for ``python -m deploy.gateway``.

    Args:
        servable: the folder with the versions, whose manifests it reads; its name is the model's name.
        port: where it listens.
        grpc_port: where the server listens.
        log: the file that the gateway's own lines go to; the request log is ``GATEWAY_LOG_FOLDER``'s.

    Raises:
        StartError: it ended, or was not ready after ``START_S`` seconds.
    """
    environment = {
        **os.environ,
        "GATEWAY_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "GATEWAY_MODEL_FOLDER": str(servable.resolve()),
        "MODEL_NAME": servable.name,
        "SERVING_URL": f"grpc://127.0.0.1:{grpc_port}",
    }

    def ready() -> bool:
        status, _ = ask(port, "/readyz")
        return status == HTTPStatus.OK

    return run_module(
        "gateway",
        "deploy.gateway",
        [],
        environment=environment,
        log=log,
        ready=ready,
        start_s=START_S,
        stop_s=STOP_S,
    )
