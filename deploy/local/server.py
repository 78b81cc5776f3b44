"""Run the embedded server as a child process."""

from contextlib import AbstractContextManager
from pathlib import Path

from deploy.local.process import Running, ask, run_module

START_S = 120.0
STOP_S = 7.0


def run_server(servable: Path, *, grpc_port: int, rest_port: int, log: Path) -> AbstractContextManager[Running]:
    """Run the server during the block.

    The block begins when a version is AVAILABLE.

    Args:
        servable: the folder of the versions; its name is the model's name.
        grpc_port: the gRPC port.
        rest_port: the REST port.
        log: the file for the server's output.

    Raises:
        StartError: the server exited, or was not ready after ``START_S`` seconds.
    """
    arguments = [f"--port={grpc_port}", f"--rest_api_port={rest_port}"]
    arguments += [f"--model_name={servable.name}", f"--model_base_path={servable.resolve()}"]

    def ready() -> bool:
        _, body = ask(rest_port, f"/v1/models/{servable.name}")
        return b'"AVAILABLE"' in body

    return run_module("server", "deploy.embedded", arguments, log=log, ready=ready, start_s=START_S, stop_s=STOP_S)
