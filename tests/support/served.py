"""Serve exported versions by the embedded server in a process of its own."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from loadtest.processes import http, serve
from tests.support.environment import environment
from tests.support.ports import free_port


@dataclass(frozen=True)
class Served:
    """The addresses of a running server."""

    grpc_port: int
    rest_port: int

    @property
    def grpc(self) -> str:
        return f"grpc://127.0.0.1:{self.grpc_port}"

    @property
    def rest(self) -> str:
        return f"http://127.0.0.1:{self.rest_port}"


@contextmanager
def served(models: Mapping[str, Path], folder: Path, *flags: str) -> Iterator[Served]:
    """Serve models during the block.

    Args:
        models: the folder of the versions of each model by name.
        folder: for the configuration and the log.
        flags: more flags of the server.
    """
    entries = "\n".join(
        f'config {{ name: "{name}" base_path: "{path}" model_platform: "tensorflow" }}' for name, path in models.items()
    )
    config = folder / "models.config"
    config.write_text(f"model_config_list {{\n{entries}\n}}\n", encoding="utf-8")
    running = Served(free_port(), free_port())
    arguments = ["-m", "deploy.embedded", f"--port={running.grpc_port}", f"--rest_api_port={running.rest_port}"]
    with serve(
        [*arguments, f"--model_config_file={config}", *flags],
        ready=lambda: [http(running.rest_port, "GET", f"/v1/models/{name}") for name in models],
        log=folder / "server.log",
        environment=environment(),
    ):
        yield running
