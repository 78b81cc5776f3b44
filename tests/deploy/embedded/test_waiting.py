"""Test requests that wait for room, are cancelled or time out."""

import concurrent.futures
import contextlib
import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

from tests.deploy.embedded.conftest import Server, Signatures, delayed, save

v1 = tf.compat.v1

RUNS = ":tensorflow:serving:batching_session:wrapped_run_count{} "
WAITED = ":tensorflow:serving:batching_session:input_batch_size_count{} "
CANCELLED = ':tensorflow:serving:request_count{model_name="gate",status="CANCELLED"} '
TIMED_OUT = ':tensorflow:serving:request_count{model_name="gate",status="DEADLINE_EXCEEDED"} '
FULL = (
    "The batch scheduling queue to which this task was submitted is full; currently 1 batches enqueued and "
    "max_enqueued_batches is 1"
)


def gate() -> Signatures:
    """Wait for the file that the request names, so that the test controls the run's duration."""
    path = v1.placeholder(tf.string, [None], "path")
    (turns,) = tf.while_loop(
        lambda _: tf.equal(tf.size(tf.io.matching_files(path)), 0),
        lambda turn: (delayed(turn + 1, milliseconds=2),),
        [tf.constant(0)],
    )
    with tf.control_dependencies([turns]):
        return {"serving_default": ({"path": path}, {"opened": tf.identity(path)})}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("waiting") / "gate"
    save(base / "1", gate)
    return base


@pytest.fixture(scope="module")
def server(model: Path, serve: Callable[..., Any]) -> Iterator[Server]:
    """Start a server with one thread and a queue of one request."""
    batching = model.with_name("batching.config")
    batching.write_text("max_batch_size { value: 1 } num_batch_threads { value: 1 } max_enqueued_batches { value: 1 }")
    monitoring = model.with_name("monitoring.config")
    monitoring.write_text("prometheus_config { enable: true }")
    with serve(
        "--model_name=gate",
        f"--model_base_path={model}",
        "--enable_batching",
        f"--batching_parameters_file={batching}",
        f"--monitoring_config_file={monitoring}",
        "--rest_api_timeout_in_ms=1000",
    ) as running:
        running.wait_for("gate")
        yield running
        status, log = running.stop()
        assert (status, "Traceback" in log) == (0, False), log


class Watched:
    """A server whose only thread is busy, and its metrics since then."""

    def __init__(self, server: Server, stub: PredictionServiceStub, eventually: Callable[..., None], go: Path) -> None:
        self.server = server
        self.stub = stub
        self.eventually = eventually
        self._go = go
        self._before: dict[str, int] = {}
        before = self.count(RUNS)
        self._running = stub.Predict.future(request(go))
        eventually(lambda: self.count(RUNS) == before + 1)
        self._before = {line: self.count(line) for line in (RUNS, WAITED, CANCELLED, TIMED_OUT)}

    def count(self, line: str) -> int:
        text = self.server.ask("GET", "/monitoring/prometheus/metrics").body.decode()
        values = [int(found.removeprefix(line)) for found in text.splitlines() if found.startswith(line)]
        return sum(values) - self._before.get(line, 0)

    def wait_for(self, line: str) -> None:
        """Wait until this has been counted once."""
        self.eventually(lambda: self.count(line) == 1)

    def let_go(self) -> None:
        """Let the run end, and check its answer."""
        self._go.touch()
        assert self._running.result(timeout=30).outputs["opened"].string_val == [os.fsencode(self._go)]


def request(go: Path) -> Any:
    message = predict_pb2.PredictRequest(model_spec={"name": "gate"})
    message.inputs["path"].CopyFrom(tf.make_tensor_proto([str(go)]))
    return message


@pytest.fixture
def busy(server: Server, eventually: Callable[..., None], tmp_path: Path) -> Iterator[Watched]:
    """Return a busy server; after the test it must answer a new request at once."""
    with server.channel() as channel:
        stub = PredictionServiceStub(channel)
        try:
            yield Watched(server, stub, eventually, tmp_path / "go")
        finally:
            (tmp_path / "go").touch()
        stub.Predict(request(tmp_path / "go"), timeout=30)


@contextlib.contextmanager
def sent(server: Server, go: Path) -> Iterator[socket.socket]:
    """Send a request over REST without reading the answer."""
    body = json.dumps({"instances": [str(go)]}).encode()
    with socket.create_connection(("127.0.0.1", server.rest_port), timeout=30) as connection:
        connection.sendall(
            b"POST /v1/models/gate:predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        yield connection


def test_a_full_queue_refuses_at_once_over_grpc_with_upstreams_words(busy: Watched, tmp_path: Path) -> None:
    waiting = busy.stub.Predict.future(request(tmp_path / "go"))
    busy.wait_for(WAITED)
    with pytest.raises(grpc.RpcError) as caught:
        busy.stub.Predict(request(tmp_path / "go"), timeout=30)
    error: Any = caught.value
    assert (error.code(), error.details()) == (grpc.StatusCode.UNAVAILABLE, FULL)
    busy.let_go()
    waiting.result(timeout=30)
    assert busy.count(RUNS) == 1


def test_requests_over_rest_wait_at_a_full_queue_and_are_all_answered(
    model: Path, start: Callable[..., Server], tmp_path: Path, eventually: Callable[..., None]
) -> None:
    batching = tmp_path / "batching.config"
    batching.write_text("max_batch_size { value: 1 } num_batch_threads { value: 1 } max_enqueued_batches { value: 2 }")
    monitoring = tmp_path / "monitoring.config"
    monitoring.write_text("prometheus_config { enable: true }")
    server = start(
        "--model_name=gate",
        f"--model_base_path={model}",
        "--enable_batching",
        f"--batching_parameters_file={batching}",
        f"--monitoring_config_file={monitoring}",
    )
    server.wait_for("gate")
    go = tmp_path / "go"
    with concurrent.futures.ThreadPoolExecutor(60) as threads:
        asked = [threads.submit(server.predict, "gate", {"instances": [str(go)]}) for _ in range(60)]
        eventually(lambda: f"{WAITED}60\n".encode() in server.ask("GET", "/monitoring/prometheus/metrics").body)
        go.touch()
        assert [call.result().status for call in asked] == [200] * 60


def test_a_request_that_waits_for_room_over_rest_has_its_time_and_leaves(busy: Watched, tmp_path: Path) -> None:
    waiting = busy.stub.Predict.future(request(tmp_path / "go"))
    busy.wait_for(WAITED)
    answer = busy.server.predict("gate", {"instances": [str(tmp_path / "never")]})
    assert (answer.status, answer.error) == (504, "Timed out waiting for notification")
    busy.let_go()
    waiting.result(timeout=30)
    assert busy.count(RUNS) == 1


@pytest.mark.parametrize("api", ["REST", "gRPC"])
def test_a_request_whose_client_has_gone_leaves_the_queue_and_does_not_run(
    busy: Watched, tmp_path: Path, api: str
) -> None:
    if api == "REST":
        with sent(busy.server, tmp_path / "never"):
            busy.wait_for(WAITED)
    else:
        call = busy.stub.Predict.future(request(tmp_path / "never"))
        busy.wait_for(WAITED)
        call.cancel()
    busy.wait_for(CANCELLED)
    follower = busy.stub.Predict.future(request(tmp_path / "go"))  # there is room for it
    busy.let_go()
    follower.result(timeout=30)
    assert busy.count(RUNS) == 1


@pytest.mark.parametrize("api", ["REST", "gRPC"])
def test_a_request_whose_time_has_run_out_leaves_the_queue_and_does_not_run(
    busy: Watched, tmp_path: Path, api: str
) -> None:
    if api == "REST":
        answer = busy.server.predict("gate", {"instances": [str(tmp_path / "never")]})
        assert (answer.status, answer.error) == (504, "Timed out waiting for notification")
    else:
        with pytest.raises(grpc.RpcError) as caught:
            busy.stub.Predict(request(tmp_path / "never"), timeout=2)  # time enough to arrive and wait
        error: Any = caught.value
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    busy.wait_for(TIMED_OUT)
    follower = busy.stub.Predict.future(request(tmp_path / "go"))
    busy.let_go()
    follower.result(timeout=30)
    assert busy.count(RUNS) == 1


def test_abandoned_runs_do_not_block_other_requests(model: Path, start: Callable[..., Any], tmp_path: Path) -> None:
    server = start("--model_name=gate", f"--model_base_path={model}", "--rest_api_timeout_in_ms=500")
    server.wait_for("gate")
    more_than_cores = max(2, os.cpu_count() or 1) + 1
    with concurrent.futures.ThreadPoolExecutor(more_than_cores) as threads:
        never = {"instances": [str(tmp_path / "never")]}
        given_up = list(threads.map(lambda _: server.predict("gate", never), range(more_than_cores)))
    assert [answer.status for answer in given_up] == [504] * more_than_cores
    go = tmp_path / "go"
    go.touch()
    with server.channel() as channel:
        PredictionServiceStub(channel).Predict(request(go), timeout=10)
