"""Fixtures of gateway processes with an embedded or a scripted server."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx2
import pytest
import uvicorn
from bert_mlm_client.wire.tensors import Array

from deploy.gateway.model.watch import ModelWatch
from loadtest.processes import ROOT
from loadtest.soak import Server, started
from tests.client.scripted import Asked, ScriptedModel, grpc_server

SENTENCE = "中国的首[MASK]是北京。"


def environment(**variables: str) -> dict[str, str]:
    """Return variables for a process that imports from the source tree, without proxies and settings."""
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    kept = {name: value for name, value in kept.items() if not name.startswith(("GATEWAY_", "SERVING_", "MODEL_"))}
    return {**kept, "PYTHONPATH": os.pathsep.join([str(ROOT / "client"), str(ROOT)]), **variables}


def watch_of(version: int) -> ModelWatch:
    """Return what a watch is to parts that read the version alone."""
    return cast("ModelWatch", SimpleNamespace(version=version))


@dataclass
class Gateway:
    """A running gateway."""

    process: subprocess.Popen[str]
    folder: Path
    port: int = 0
    printed: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """Send a request over a new connection."""
        with httpx2.Client(base_url=self.url, timeout=30, trust_env=False) as client:
            return client.request(method, path, **options)

    def post(self, path: str, document: Any, **options: Any) -> httpx2.Response:
        return self.ask("POST", path, json=document, **options)

    def answer(self, path: str, document: Any) -> Any:
        """Send a request that must succeed."""
        response = self.post(path, document)
        assert response.status_code == 200, response.text
        return response.json()

    def exchange(self, raw: bytes) -> bytes:
        """Send raw bytes and read until the gateway closes the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(raw)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def lines(self, **wanted: Any) -> list[dict[str, Any]]:
        """Return the log's lines that have these values."""
        files = sorted(path for path in self.folder.rglob("*") if path.is_file())
        lines = [json.loads(line) for path in files for line in path.read_text(encoding="utf-8").splitlines()]
        return [line for line in lines if all(line.get(name) == value for name, value in wanted.items())]

    def wait_for_lines(self, count: int, **wanted: Any) -> list[dict[str, Any]]:
        """Return the log's lines that have these values, once there are so many."""
        wait_until(lambda: len(self.lines(**wanted)) >= count)
        lines = self.lines(**wanted)
        assert len(lines) == count
        return lines

    def wait_until_ready(self) -> None:
        wait_until(lambda: self.ask("GET", "/readyz").status_code == 200)

    def metrics(self) -> dict[str, float]:
        """Return every sample by its name with labels, as Prometheus writes them."""
        lines = self.ask("GET", "/metrics").text.splitlines()
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal; return the exit status and the standard error."""
        self.process.send_signal(number)
        status = self.process.wait(30)
        return status, (self.folder.parent / "stderr").read_text()


Start = Callable[..., Gateway]


def wait_until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds, half a minute at most."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come to hold"
        time.sleep(0.02)  # between two looks


def _start(folder: Path, serving: str | Sequence[str], *flags: str, **variables: str) -> Gateway:
    """Start a gateway and wait until it listens."""
    urls = serving if isinstance(serving, str) else ",".join(serving)
    logs = folder / "logs"
    command = [sys.executable, "-m", "deploy.gateway", "serve", "--port=0", f"--serving-url={urls}"]
    with (folder / "stderr").open("w") as errors:
        process = subprocess.Popen(
            [*command, f"--log-folder={logs}", *flags],
            cwd=ROOT,
            env=environment(**variables),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    assert process.stdout is not None
    first = process.stdout.readline()
    # With --log-stdout=json standard output has lines of the log, which come later than the address.
    found = re.search(r"http://127\.0\.0\.1:(\d+) ", first + (folder / "stderr").read_text())
    assert found, (first, (folder / "stderr").read_text())
    gateway = Gateway(process, logs, int(found[1]), [first])

    def is_listening() -> bool:
        with contextlib.suppress(httpx2.TransportError):
            gateway.ask("GET", "/")
            return True
        return False

    wait_until(is_listening)
    return gateway


def _end(gateway: Gateway) -> None:
    if gateway.process.poll() is None:
        gateway.process.kill()
        gateway.process.wait()
    if gateway.process.stdout:
        gateway.process.stdout.close()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep proxies of the machine away from servers on it."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts gateways; those still running are stopped."""
    running: list[Gateway] = []

    def starter(serving: str | Sequence[str], *flags: str, **variables: str) -> Gateway:
        folder = tmp_path / f"gateway-{len(running)}"
        folder.mkdir()
        running.append(_start(folder, serving, *flags, **variables))
        return running[-1]

    yield starter
    for gateway in running:
        _end(gateway)


@pytest.fixture(scope="session")
def demo_server(demo_version: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The embedded server with the demonstration checkpoint."""
    with started(demo_version.parent, tmp_path_factory.mktemp("served"), ()) as server:
        yield server


@pytest.fixture(scope="session")
def serving_url(demo_server: Server) -> str:
    return demo_server.grpc


@pytest.fixture(scope="session")
def gateway(serving_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Return a shared gateway with defaults and the demonstration checkpoint."""
    running = _start(tmp_path_factory.mktemp("gateway"), serving_url)
    try:
        running.wait_until_ready()
        yield running
    finally:
        _end(running)


@contextlib.contextmanager
def run_in_thread(app: Any) -> Iterator[str]:
    """Serve an application of this process over a real socket."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)


@pytest.fixture
def refusing_port() -> Iterator[int]:
    """Return a bound port without a listener."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


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
    running = _start(tmp_path_factory.mktemp("shared"), scripted_server[1])
    try:
        running.wait_until_ready()
        yield running
    finally:
        _end(running)


@pytest.fixture
def scripted(start: Start, scripted_url: str) -> Gateway:
    """Return a new gateway with the scripted model."""
    gateway = start(scripted_url)
    gateway.wait_until_ready()
    return gateway
