"""Run the gateway as a child process."""

import os
from contextlib import AbstractContextManager
from http import HTTPStatus
from pathlib import Path

from deploy.local.process import Running, ask, run_module

START_S = 60.0
STOP_S = 12.0
"""Longer than the default of ``GATEWAY_GRACE_S``."""


def run_gateway(
    servable: Path, *, classifier: str = "", engine: str = "", port: int, grpc_port: int, log: Path
) -> AbstractContextManager[Running]:
    """Run the gateway during the block.

    The block begins when the gateway is ready. Further settings come from the environment, as for
    ``python -m deploy.gateway``.

    Args:
        servable: the folder of the versions, with their manifests; its name is the model's name.
        classifier: the name of the classifier on the same server; empty for none.
        engine: the engine to run in the gateway's process; empty asks the server.
        port: the gateway's port.
        grpc_port: the server's port.
        log: the file for the gateway's output; the request log is in ``GATEWAY_LOG_FOLDER``.

    Raises:
        StartError: the gateway exited, or was not ready after ``START_S`` seconds.
    """
    environment = {
        **os.environ,
        "GATEWAY_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "GATEWAY_MODEL_FOLDER": str(servable.resolve()),
        "MODEL_NAME": servable.name,
        **({"GATEWAY_CLASSIFIER": classifier} if classifier else {}),
        "GATEWAY_ENGINE": engine,  # an empty value counts as none
        "SERVING_URL": "" if engine else f"grpc://127.0.0.1:{grpc_port}",
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
