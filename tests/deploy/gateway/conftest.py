"""Fixtures of gateways with an embedded or a scripted server."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from bert_mlm_client.wire.tensors import Array

from deploy.gateway.model.watch import ModelWatch
from loadtest.soak import Server, started
from tests.client.scripted import Asked, ScriptedClassifier, ScriptedModel, grpc_server
from tests.support import ports
from tests.support.classifier import NAME as CLASSIFIER
from tests.support.classifier import TwoModels, genre_classifier
from tests.support.environment import environment, remove_proxies
from tests.support.gateway import Gateway, GatewayProcess, gateway_in_thread, gateway_process, run_in_thread
from tests.support.waiting import wait_until

__all__ = ["Gateway", "GatewayProcess", "environment", "run_in_thread", "wait_until"]

SENTENCE = "中国的首[MASK]是北京。"

Start = Callable[..., Gateway]
StartProcess = Callable[..., GatewayProcess]


def watch_of(version: int) -> ModelWatch:
    """Return what a watch is to parts that read the version alone."""
    return cast("ModelWatch", SimpleNamespace(version=version))


@pytest.fixture(scope="session", autouse=True)
def _no_proxy() -> Iterator[None]:
    """Keep proxies of the machine away from servers on it."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        remove_proxies(monkeypatch)
        yield


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts gateways in threads, which end with the test."""
    with ExitStack() as running:

        def starter(serving: str | Sequence[str] | None, *flags: str, **variables: str) -> Gateway:
            return running.enter_context(gateway_in_thread(_folder(tmp_path), serving, *flags, **variables))

        yield starter


@pytest.fixture
def start_process(tmp_path: Path) -> Iterator[StartProcess]:
    """Return a function that starts gateway processes; those still running are killed."""
    with ExitStack() as running:

        def starter(serving: str | Sequence[str] | None, *flags: str, **variables: str) -> GatewayProcess:
            return running.enter_context(gateway_process(_folder(tmp_path), serving, *flags, **variables))

        yield starter


def _folder(place: Path) -> Path:
    folder = place / f"gateway-{len(list(place.glob('gateway-*')))}"
    folder.mkdir()
    return folder


@pytest.fixture(scope="session")
def demo_server(demo_version: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The embedded server with the demonstration checkpoint, in the light engine to save CPU time."""
    with started(demo_version.parent, tmp_path_factory.mktemp("served"), ("--engine=onnx",)) as server:
        yield server


@pytest.fixture(scope="session")
def serving_url(demo_server: Server) -> str:
    return demo_server.grpc


@pytest.fixture(scope="session")
def gateway(serving_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Return a shared gateway with defaults and the demonstration checkpoint."""
    with gateway_in_thread(tmp_path_factory.mktemp("gateway"), serving_url) as running:
        running.wait_until_ready()
        yield running


@pytest.fixture
def refusing_port() -> Iterator[int]:
    """Return a bound port without a listener."""
    with ports.refusing_port() as port:
        yield port


@dataclass(slots=True)
class Model(ScriptedModel):
    """A scripted model that can hold its answers."""

    gate: threading.Event = field(default_factory=threading.Event)
    waiting: int = 0

    def predict(self, asked: Asked) -> dict[str, Array]:
        """Answer once the gate is open."""
        if asked.signature == "fill_mask":
            self.waiting += 1
            self.gate.wait(30)
        return ScriptedModel.predict(self, asked)

    def reset(self) -> None:
        """Answer as at the beginning."""
        self.gate.set()
        self.waiting = 0
        self.refusal = None
        self.answers = {}
        self.state = "AVAILABLE"
        self.version = 1
        self.without_tokenizer = False
        self.asked.clear()


@pytest.fixture(scope="session")
def scripted_server() -> Iterator[tuple[Model, str]]:
    """A model server in this process, and its address."""
    model = Model()
    with grpc_server(model) as url:
        yield model, url


@pytest.fixture
def model(scripted_server: tuple[Model, str]) -> Iterator[Model]:
    """Return the scripted server's model; clear its gate to hold answers."""
    model, _ = scripted_server
    model.reset()
    yield model
    model.reset()


@pytest.fixture
def scripted_url(scripted_server: tuple[Model, str], model: Model) -> str:
    """Return the address of the scripted model server."""
    del model  # it is to be as at the beginning
    return scripted_server[1]


@pytest.fixture(scope="session")
def shared(scripted_server: tuple[Model, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Return a shared gateway with the scripted model."""
    scripted_server[0].reset()
    with gateway_in_thread(tmp_path_factory.mktemp("shared"), scripted_server[1]) as running:
        running.wait_until_ready()
        yield running


@pytest.fixture
def classifier() -> ScriptedClassifier:
    """Return the classifier of ``two_models_url``."""
    return genre_classifier()


@pytest.fixture
def two_models_url(classifier: ScriptedClassifier) -> Iterator[str]:
    """Return the address of a scripted server with a masked language model and a classifier."""
    with grpc_server(TwoModels(classifier=classifier)) as url:
        yield url


@pytest.fixture
def classifying(start: Start, two_models_url: str) -> Gateway:
    """Return a new gateway with the scripted model and classifier."""
    gateway = start(two_models_url, f"--classifier={CLASSIFIER}")
    gateway.wait_until_ready()
    return gateway


@pytest.fixture
def scripted(start: Start, scripted_url: str) -> Gateway:
    """Return a new gateway with the scripted model."""
    gateway = start(scripted_url)
    gateway.wait_until_ready()
    return gateway
