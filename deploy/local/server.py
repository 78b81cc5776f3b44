"""Run the embedded server as a child process."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from google.protobuf import text_format

from deploy.embedded.proto.config_pb2 import ModelServerConfig
from deploy.local.process import Running, ask, run_module

START_S = 120.0
STOP_S = 7.0


def run_server(
    servables: Sequence[Path], *, grpc_port: int, rest_port: int, log: Path
) -> AbstractContextManager[Running]:
    """Run the server during the block.

    The block begins when every model has a version that is AVAILABLE.

    Args:
        servables: the folder of each model's versions; its name is the model's name.
        grpc_port: the gRPC port.
        rest_port: the REST port.
        log: the file for the server's output; the models' configuration is written beside it.

    Raises:
        StartError: the server exited, or was not ready after ``START_S`` seconds.
    """
    config = log.with_suffix(".config")
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(_models_config(servables), encoding="utf-8")
    arguments = [f"--port={grpc_port}", f"--rest_api_port={rest_port}", f"--model_config_file={config}"]

    def ready() -> bool:
        return all(b'"AVAILABLE"' in ask(rest_port, f"/v1/models/{servable.name}")[1] for servable in servables)

    return run_module("server", "deploy.embedded", arguments, log=log, ready=ready, start_s=START_S, stop_s=STOP_S)


def _models_config(servables: Sequence[Path]) -> str:
    config = ModelServerConfig()
    for servable in servables:
        config.model_config_list.config.add(
            name=servable.name, base_path=str(servable.resolve()), model_platform="tensorflow"
        )
    return text_format.MessageToString(config)
