"""Fixtures of small SavedModels and server processes."""

import contextlib
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import grpc
import pytest
import tensorflow as tf

from tests.support.environment import ROOT, environment
from tests.support.ports import free_port
from tests.support.waiting import wait_until

v1 = tf.compat.v1

Tensors = dict[str, Any]
Signatures = dict[str, tuple[Tensors, Tensors]]


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, read to its end."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        document = self.json
        assert list(document) == ["error"]
        return str(document["error"])


@dataclass(frozen=True)
class Server:
    """A running server process."""

    process: subprocess.Popen[str]
    grpc_port: int
    rest_port: int

    def ask(
        self, method: str, path: str, body: bytes | str | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        connection = HTTPConnection("127.0.0.1", self.rest_port, timeout=30)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return Answer(
                response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
            )
        finally:
            connection.close()

    def predict(self, model: str, document: Any) -> Answer:
        body = document if isinstance(document, (bytes, str)) else json.dumps(document)
        return self.ask("POST", f"/v1/models/{model}:predict", body)

    def channel(self) -> grpc.Channel:
        return grpc.insecure_channel(f"127.0.0.1:{self.grpc_port}")

    def wait_for(self, model: str) -> None:
        """Wait until the status endpoint says AVAILABLE."""
        wait_until(lambda: self._serves(model), f"{model} did not become AVAILABLE", within_s=60)

    def _serves(self, model: str) -> bool:
        assert self.process.poll() is None, self.process.communicate()
        try:
            answer = self.ask("GET", f"/v1/models/{model}")
        except OSError:
            return False  # the port is not open yet
        return bool(answer.json["model_version_status"][0]["state"] == "AVAILABLE")

    def read_log_until(self, text: str) -> str:
        """Return the next line of the log that has this text in it."""
        assert self.process.stderr is not None
        return next(line for line in self.process.stderr if text in line)

    def stop(self, number: signal.Signals = signal.SIGINT) -> tuple[int, str]:
        """Send a signal; return the exit status and the log."""
        self.process.send_signal(number)
        _, log = self.process.communicate(timeout=30)
        return self.process.returncode, log


Start = Callable[..., Server]


def run(*flags: str) -> subprocess.CompletedProcess[str]:
    """Run a server that is expected to exit."""
    return subprocess.run(
        [sys.executable, "-m", "deploy.embedded", f"--port={free_port()}", f"--rest_api_port={free_port()}", *flags],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _start(*flags: str, env: dict[str, str] | None = None) -> Server:
    ports = free_port(), free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "deploy.embedded", f"--port={ports[0]}", "--rest_api_port", str(ports[1]), *flags],
        cwd=ROOT,
        env=environment(**(env or {})),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    return Server(process, *ports)


def _end(server: Server) -> None:
    if server.process.poll() is None:
        server.process.kill()
        server.process.communicate()


@pytest.fixture
def start() -> Iterator[Start]:
    """Return a function that starts servers; those still running are stopped."""
    started: list[Server] = []

    def starter(*flags: str, env: dict[str, str] | None = None) -> Server:
        started.append(_start(*flags, env=env))
        return started[-1]

    yield starter
    for server in started:
        _end(server)


@contextlib.contextmanager
def _serving(*flags: str) -> Iterator[Server]:
    running = _start(*flags)
    try:
        yield running
    finally:
        _end(running)


@pytest.fixture(scope="session")
def serve() -> Callable[..., contextlib.AbstractContextManager[Server]]:
    """Run a server for as long as a with statement lasts."""
    return _serving


@pytest.fixture(scope="session")
def eventually() -> Callable[[Callable[[], object]], None]:
    return wait_until


@pytest.fixture(scope="session")
def server(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server with every model, by a config file."""
    entries = "\n".join(
        f'config {{ name: "{name}" base_path: "{models / name}" model_platform: "tensorflow" }}'
        for name in ("half", "text", "pair", "kinds")
    )
    config = tmp_path_factory.mktemp("config") / "models.config"
    config.write_text(f"model_config_list {{\n{entries}\n}}\n")
    running = _start(f"--model_config_file={config}", "--model_name", "ignored")
    try:
        running.wait_for("kinds")
        yield running
    finally:
        _end(running)


@pytest.fixture(scope="session")
def light(tiny_version: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Flags of a model ``light``, version 123, for tests of the server around a model.

    Its engine is there in a third of TensorFlow's time.
    """
    base = tmp_path_factory.mktemp("light") / "light"
    shutil.copytree(tiny_version, base / "123")
    return "--engine=onnx", "--model_name=light", f"--model_base_path={base}"


@pytest.fixture(scope="session")
def runner() -> Callable[..., subprocess.CompletedProcess[str]]:
    return run


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models: half (two versions), text, pair, kinds and slow."""
    base = tmp_path_factory.mktemp("models")
    save(base / "half" / "1", half_plus_two)
    save(base / "half" / "00000123", half_plus_two)
    (base / "half" / "v7").mkdir()
    save(base / "text" / "1", echo)
    save(base / "pair" / "1", pair)
    save(base / "kinds" / "1", kinds)
    save(base / "slow" / "1", slow)
    return base


def save(folder: Path, build: Callable[[], Signatures]) -> None:
    """Write the SavedModel whose signatures ``build`` makes in an empty graph."""
    graph = tf.Graph()
    with graph.as_default(), v1.Session(graph=graph) as session:
        signatures = {
            name: v1.saved_model.signature_def_utils.predict_signature_def(*tensors)
            for name, tensors in build().items()
        }
        session.run(v1.global_variables_initializer())
        builder = v1.saved_model.builder.SavedModelBuilder(str(folder))
        builder.add_meta_graph_and_variables(session, ["serve"], signature_def_map=signatures)
        builder.save()


def half_plus_two() -> Signatures:
    x = v1.placeholder(tf.float32, [None, 1], "x")
    half = v1.get_variable("half", initializer=0.5, use_resource=True)
    return {"serving_default": ({"x": x}, {"y": x * half + 2.0})}


def echo() -> Signatures:
    text = v1.placeholder(tf.string, [None], "text")
    return {
        "serving_default": ({"text": text}, {"text": tf.identity(text)}),
        "both": ({"text": text}, {"text": tf.identity(text), "text_bytes": tf.identity(text)}),
    }


def pair() -> Signatures:
    ids = v1.placeholder(tf.int32, [None, None], "ids")
    weights = v1.placeholder(tf.float32, [None, None], "weights")
    inputs = {"ids": ids, "weights": weights}
    return {
        "serving_default": (inputs, {"total": tf.reduce_sum(ids, 1), "double": weights * 2.0}),
        "scalar": (inputs, {"all": tf.reduce_sum(ids) + tf.reduce_sum(tf.cast(weights, tf.int32))}),
        "unrun": (inputs, {"ids": ids}),
        "uneven": (inputs, {"first": ids[:1], "second": tf.identity(weights)}),
    }


def kinds() -> Signatures:
    half = v1.placeholder(tf.float16, [None], "half")
    flag = v1.placeholder(tf.bool, [None], "flag")
    small = v1.placeholder(tf.int8, [None], "small")
    big = v1.placeholder(tf.int64, [None], "big")
    wide = v1.placeholder(tf.float64, [None], "wide")
    single = v1.placeholder(tf.float32, [None], "single")
    return {
        "serving_default": ({"half": half, "flag": flag}, {"half": half * 2, "flag": tf.logical_not(flag)}),
        "small": ({"v": small}, {"v": tf.identity(small)}),
        "big": ({"v": big}, {"v": tf.identity(big)}),
        "wide": ({"v": wide}, {"v": tf.identity(wide)}),
        "single": ({"v": single}, {"v": tf.identity(single)}),
        "flag": ({"v": flag}, {"v": tf.identity(flag)}),
        "half": ({"v": half}, {"v": tf.identity(half)}),
    }


def slow() -> Signatures:
    """Write a model whose run takes at least as many milliseconds as the request says."""
    steps = v1.placeholder(tf.int32, [None], "steps")
    return {"serving_default": ({"steps": steps}, {"done": delayed(steps, milliseconds=steps[0])})}


def delayed(value: Any, *, milliseconds: Any) -> Any:
    """Return the value after a sleep, which takes no CPU time from other tests."""
    dataset = tf.raw_ops.TensorDataset(components=[value], output_shapes=[value.shape])
    element = {"output_types": [value.dtype], "output_shapes": [value.shape]}
    # One sleep before the element and one before the end of the data set, which the last operation asks for too.
    half_us = tf.cast(milliseconds, tf.int64) * 500
    dataset = tf.raw_ops.SleepDataset(input_dataset=dataset, sleep_microseconds=half_us, **element)
    (after,) = tf.raw_ops.DatasetToSingleElement(dataset=dataset, **element)
    return after
