"""Fixtures with a real embedded server and gateway on the demonstration checkpoint."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtest.processes import free_port, http, serve
from loadtest.soak import Server, started
from tests.support import ports


@pytest.fixture(scope="session")
def demo_servable(demo_version: Path) -> Path:
    return demo_version.parent


@pytest.fixture(scope="session")
def demo_server(demo_servable: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with started(demo_servable, tmp_path_factory.mktemp("served"), ()) as server:
        yield server


@pytest.fixture(scope="session")
def demo_gateway(demo_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port, folder = free_port(), tmp_path_factory.mktemp("gateway")
    command = ["-m", "deploy.gateway", f"--port={port}", f"--serving-url={demo_server.grpc}"]
    command.append(f"--log-folder={folder / 'logs'}")
    with serve(command, ready=lambda: http(port, "GET", "/readyz"), log=folder / "said"):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def refusing_port() -> Iterator[int]:
    """A bound port without a listener, which refuses connections."""
    with ports.refusing_port() as port:
        yield port
