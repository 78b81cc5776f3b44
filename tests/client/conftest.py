"""Fixtures with a scripted model behind gRPC and REST."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.client.scripted import ScriptedClassifier, ScriptedModel, grpc_server, rest_server
from tests.support import ports
from tests.support.environment import client_environment, remove_proxies


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Disable proxies for servers on this machine."""
    remove_proxies(monkeypatch)


@pytest.fixture
def model() -> ScriptedModel:
    return ScriptedModel()


@pytest.fixture
def grpc_url(model: ScriptedModel) -> Iterator[str]:
    with grpc_server(model) as url:
        yield url


@pytest.fixture
def rest_url(model: ScriptedModel) -> Iterator[str]:
    with rest_server(model) as url:
        yield url


@pytest.fixture(params=["grpc", "rest"])
def url(request: pytest.FixtureRequest) -> str:
    """The model's URL, once per protocol."""
    address: str = request.getfixturevalue(f"{request.param}_url")
    return address


@pytest.fixture
def classifier() -> ScriptedClassifier:
    return ScriptedClassifier()


@pytest.fixture(params=[grpc_server, rest_server], ids=["grpc", "rest"])
def classifier_url(request: pytest.FixtureRequest, classifier: ScriptedClassifier) -> Iterator[str]:
    """The classifier's URL, once per protocol."""
    with request.param(classifier) as url:
        yield url


@pytest.fixture
def refusing_port() -> Iterator[int]:
    """A bound port without a listener, which refuses connections."""
    with ports.refusing_port() as port:
        yield port


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that accepts connections and never answers."""
    with ports.silent_port() as port:
        yield port


@pytest.fixture
def dropping_port() -> Iterator[int]:
    """A port with a full backlog, which drops new connections."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@pytest.fixture
def environment() -> dict[str, str]:
    """Environment variables for a subprocess that imports this client."""
    return client_environment()


@pytest.fixture(scope="session")
def light_version(tiny_version: Path) -> Path:
    """A version of the tiny checkpoint with the light engine's file."""
    return tiny_version
