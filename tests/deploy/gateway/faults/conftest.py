"""Fixtures of a model server with faults and an observed gateway."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

import pytest

from loadtest.processes import free_port, http, serve
from tests.deploy.gateway.alerts.conftest import Receiver
from tests.deploy.gateway.conftest import Start, StartProcess
from tests.deploy.gateway.consistency.test_check import copy_for_the_light_engine
from tests.deploy.gateway.faults.observed import Observed

Observe = Callable[..., Observed]


@dataclass(frozen=True, slots=True)
class ModelServer:
    """The embedded server with the demonstration checkpoint, on ports that stay the same.

    Attributes:
        weights: the file that its engine reads.
    """

    servable: Path
    weights: Path
    grpc_port: int
    rest_port: int

    @property
    def url(self) -> str:
        return f"grpc://127.0.0.1:{self.grpc_port}"

    def running(self) -> AbstractContextManager[Popen[bytes]]:
        """Serve during the block."""
        arguments = ["-m", "deploy.embedded", f"--port={self.grpc_port}", f"--rest_api_port={self.rest_port}"]
        arguments += ["--engine=onnx", "--model_name=bert_mlm", f"--model_base_path={self.servable}"]

        def ready() -> None:
            http(self.rest_port, "GET", "/v1/models/bert_mlm/metadata")

        return serve(arguments, ready=ready, log=self.servable.parent / "server.log")


@pytest.fixture
def model_server(demo_version: Path, tmp_path: Path) -> ModelServer:
    """Return a new server that is not running yet."""
    servable = tmp_path / "served" / "bert_mlm"
    weights = copy_for_the_light_engine(demo_version, servable)
    return ModelServer(servable, weights, free_port(), free_port())


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Return the webhook's receiver."""
    receiver = Receiver()
    receiver.listen()
    yield receiver
    receiver.close()


@pytest.fixture
def observe(start: Start, receiver: Receiver) -> Observe:
    """Return a function that starts a gateway with the webhook and waits until it is ready."""
    return _observing(start, receiver)


@pytest.fixture
def observe_process(start_process: StartProcess, receiver: Receiver) -> Observe:
    """Return the same for a gateway in a process of its own."""
    return _observing(start_process, receiver)


def _observing(start: Start, receiver: Receiver) -> Observe:
    def starter(serving: str, *flags: str, **variables: str) -> Observed:
        gateway = start(serving, *flags, GATEWAY_ALERT_WEBHOOK=receiver.url, **variables)
        gateway.wait_until_ready()
        return Observed(gateway, receiver)

    return starter
