"""Test that the server survives faults of clients and operators."""

import concurrent.futures
import contextlib
import json
import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis import get_model_status_pb2, model_service_pb2_grpc, predict_pb2
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

from deploy.http import MAX_HEAD_BYTES
from tests.support.waiting import wait_until

FOREVER = 10_000_000
"""More milliseconds of the slow model than any test waits for."""


@pytest.fixture(scope="module")
def faulty(models: Path, tmp_path_factory: pytest.TempPathFactory, serve: Callable[..., Any]) -> Iterator[Any]:
    """Start a server with a fast, a slow and a wide model, and check its log for tracebacks."""
    base = tmp_path_factory.mktemp("faulty")
    entries = "\n".join(
        f'config {{ name: "{name}" base_path: "{models / name}" model_platform: "tensorflow" }}'
        for name in ("half", "slow")
    )
    (base / "models.config").write_text(f"model_config_list {{ {entries} }}")
    (base / "monitoring.config").write_text("prometheus_config { enable: true }")
    with serve(
        f"--model_config_file={base / 'models.config'}",
        f"--monitoring_config_file={base / 'monitoring.config'}",
        "--rest_api_timeout_in_ms=600",
    ) as server:
        server.wait_for("half")
        server.wait_for("slow")
        yield server
        assert server.process.poll() is None
        status, log = server.stop()
        assert (status, "Traceback" in log) == (0, False), log


@pytest.fixture(autouse=True)
def still_answers(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "faulty" in request.fixturenames:
        server = request.getfixturevalue("faulty")
        wait_until(lambda: server.predict("half", {"instances": [1.0]}).status == 200)  # abandoned runs have ended
        check(server)


def check(server: Any) -> None:
    assert server.predict("half", {"instances": [1.0]}).json == {"predictions": [2.5]}
    with server.channel() as channel:
        assert PredictionServiceStub(channel).Predict(half(), timeout=10).outputs["y"].float_val == [2.5]


def half() -> Any:
    message = predict_pb2.PredictRequest(model_spec={"name": "half"})
    message.inputs["x"].CopyFrom(tf.make_tensor_proto([[1.0]]))
    return message


def slow(milliseconds: int) -> Any:
    message = predict_pb2.PredictRequest(model_spec={"name": "slow"})
    message.inputs["steps"].CopyFrom(tf.make_tensor_proto([milliseconds], tf.int32))
    return message


def ask_for_status(channel: grpc.Channel) -> None:
    stub = model_service_pb2_grpc.ModelServiceStub(channel)
    stub.GetModelStatus(get_model_status_pb2.GetModelStatusRequest(model_spec={"name": "slow"}), timeout=20)


def post(model: str, body: bytes, *headers: bytes) -> bytes:
    lines = [b"POST /v1/models/%b:predict HTTP/1.1" % model.encode(), b"Host: x", b"Content-Length: %d" % len(body)]
    return b"\r\n".join([*lines, *headers, b"", body])


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=30)


def read_answer(connection: socket.socket) -> tuple[int, bytes]:
    """Read one answer with its body; the status is 0 if the server closes without one."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += (more := connection.recv(65536))
        if not more:
            return 0, data
    head, body = data.split(b"\r\n\r\n", 1)
    length = next(
        int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
    )
    while len(body) < length:
        body += connection.recv(2**20)
    return int(head.split()[1]), body


def count(server: Any, model: str, status: str) -> int:
    text = server.ask("GET", "/monitoring/prometheus/metrics").body.decode()
    prefix = f':tensorflow:serving:request_count{{model_name="{model}",status="{status}"}} '
    return sum(int(line.removeprefix(prefix)) for line in text.splitlines() if line.startswith(prefix))


def test_a_client_that_leaves_is_not_waited_for(faulty: Any) -> None:
    before = count(faulty, "slow", "CANCELLED")
    with connect(faulty.rest_port) as connection:
        connection.sendall(post("slow", b'{"instances": [1500]}'))
        assert faulty.ask("GET", "/v1/models/slow").status == 200  # sent later, so the first request is in flight
    wait_until(lambda: count(faulty, "slow", "CANCELLED") == before + 1)
    with faulty.channel() as channel:

        def leave() -> bool:
            call = PredictionServiceStub(channel).Predict.future(slow(1500))
            ask_for_status(channel)  # on the same connection and later, so the first request is on its way
            call.cancel()
            return count(faulty, "slow", "CANCELLED") > before + 1

        wait_until(leave)  # a call that is cancelled before the server has started it is not counted


def test_time_that_has_run_out_is_told(faulty: Any) -> None:
    answer = faulty.predict("slow", {"instances": [2000]})
    assert (answer.status, answer.error) == (504, "Timed out waiting for notification")
    with faulty.channel() as channel:
        for timeout in (0.3, 0.000001):
            with pytest.raises(grpc.RpcError) as caught:
                PredictionServiceStub(channel).Predict(slow(1500), timeout=timeout)
            error: Any = caught.value
            assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED


@pytest.mark.parametrize("port", ["rest_port", "grpc_port"])
@pytest.mark.parametrize(
    "garbage",
    [b"\x00" * 1000, b"\xff\xfe" * 4000, b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 500],
    ids=["zeros", "bytes", "half a request line", "a TLS greeting"],
)
def test_garbage_ends_its_own_connection_only(faulty: Any, port: str, garbage: bytes) -> None:
    with connect(getattr(faulty, port)) as connection:
        connection.sendall(garbage)
        connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            while connection.recv(65536):
                pass


@pytest.mark.parametrize("head", [b"X-Long: " + b"x" * 200_000, b"X-Many: x\r\n" * 20_000], ids=["long", "many"])
def test_a_head_without_an_end_is_refused(faulty: Any, head: bytes) -> None:
    with connect(faulty.rest_port) as connection, contextlib.suppress(ConnectionResetError, BrokenPipeError):
        connection.sendall(b"GET /v1/models/half HTTP/1.1\r\n")
        for start in range(0, len(head), MAX_HEAD_BYTES // 4):
            connection.sendall(head[start : start + MAX_HEAD_BYTES // 4])
        assert connection.recv(65536).startswith(b"HTTP/1.1 431 ")


def test_json_that_is_nested_without_end_is_a_bad_request(faulty: Any) -> None:
    for body in (b'{"instances": ' + b"[" * 500_000, b'{"instances": ' + b"[" * 500_000 + b"]" * 500_000 + b"}"):
        answer = faulty.predict("half", body)
        assert answer.status == 400
        assert answer.error


def test_a_body_of_the_largest_size_is_read_and_a_larger_one_refused(faulty: Any) -> None:
    whole = b'{"instances": [1.0]}'
    answer = faulty.predict("half", whole + b" " * (64 * 2**20 - len(whole)))
    assert answer.status == 200
    answer = faulty.predict("half", whole + b" " * (64 * 2**20))
    assert answer.status == 413
    assert "larger than 67108864 bytes" in answer.error
    with connect(faulty.rest_port) as connection:
        connection.sendall(
            b"POST /v1/models/half:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n"
            b"Expect: 100-continue\r\n\r\n"
        )
        assert read_answer(connection)[0] == 413  # before anything is sent
    with connect(faulty.rest_port) as connection:
        connection.sendall(b"POST /v1/models/half:predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"100000\r\n" + b" " * 2**20 + b"\r\n"
        for _ in range(70):
            connection.sendall(chunk)
        connection.sendall(b"0\r\n\r\n")
        assert read_answer(connection)[0] == 413


def test_a_body_that_finds_no_room_beside_the_others_is_refused(faulty: Any) -> None:
    size = 64 * 2**20
    head = b"POST /v1/models/half:predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(connect(faulty.rest_port)) for _ in range(5)]
        for connection in connections:
            connection.sendall(head + b" " * (size - 1))  # all are incomplete, and only four fit
        [refused], _, _ = select.select(connections, [], [], 30)
        status, body = read_answer(refused)
        assert status == 503
        assert b"fill all 268435456 bytes" in body
        assert faulty.ask("GET", "/v1/models/half").status == 200


def test_a_reader_who_does_not_read_holds_nothing_up(faulty: Any) -> None:
    rows = 500_000
    body = json.dumps({"instances": [1.25] * rows}).encode()
    with connect(faulty.rest_port) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)
        connection.sendall(post("half", body))
        for _ in range(20):
            check(faulty)
        status, answer = read_answer(connection)  # late, but whole
    assert status == 200
    assert len(json.loads(answer)["predictions"]) == rows


def test_many_silent_connections_leave_room_for_others(faulty: Any) -> None:
    with contextlib.ExitStack() as stack:
        for number in range(200):
            connection = stack.enter_context(connect(faulty.rest_port if number % 2 else faulty.grpc_port))
            if number % 4 == 1:
                connection.sendall(b"POST /v1/models/half:predict HTTP/1.1\r\nContent-Le")
        for _ in range(5):
            check(faulty)


def test_requests_may_follow_one_another_without_waiting(faulty: Any) -> None:
    with connect(faulty.rest_port) as connection:
        bodies = [b'{"instances": [%d]}' % number for number in range(20)]
        connection.sendall(b"".join(post("half", body) for body in bodies))
        data = b""
        while data.count(b"HTTP/1.1 200 OK") < 20 or not data.rstrip().endswith(b"}"):
            data += connection.recv(65536)
    answers = [json.loads(part.split(b"\r\n\r\n", 1)[1]) for part in data.split(b"HTTP/1.1 200 OK")[1:]]
    assert [answer["predictions"] for answer in answers] == [[number * 0.5 + 2] for number in range(20)]


def test_a_client_that_would_rather_speak_http_2_is_answered_in_http_1(faulty: Any) -> None:
    with connect(faulty.rest_port) as connection:
        for _ in range(2):
            connection.sendall(
                post(
                    "half",
                    b'{"instances": [1.0]}',
                    b"Connection: Upgrade, HTTP2-Settings",
                    b"Upgrade: h2c",
                    b"HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
                )
            )
            assert read_answer(connection)[0] == 200


def test_requests_in_flight_are_answered_when_the_server_stops(start: Callable[..., Any], models: Path) -> None:
    server = start("--model_name=slow", f"--model_base_path={models / 'slow'}")
    server.wait_for("slow")
    body = b'{"instances": [1000]}'
    with contextlib.ExitStack() as stack:
        kept = [stack.enter_context(connect(server.rest_port)) for _ in range(4)]
        for connection in kept:  # these stay open after an answer
            connection.sendall(post("slow", b'{"instances": [1]}'))
            assert read_answer(connection)[0] == 200
        half_sent = stack.enter_context(connect(server.rest_port))
        half_sent.sendall(post("slow", body)[:-5])
        channel = stack.enter_context(server.channel())
        stub = PredictionServiceStub(channel)
        stub.Predict(slow(1))
        calls = [stub.Predict.future(slow(1000)) for _ in range(2)]
        for connection in kept[:2]:
            connection.sendall(post("slow", body))
        wait_until(lambda: all(call.running() for call in calls))
        ask_for_status(channel)  # on the same connection and later, so the calls are in flight
        with concurrent.futures.ThreadPoolExecutor() as threads:
            ended = threads.submit(server.stop, signal.SIGTERM)
            half_sent.sendall(post("slow", body)[-5:])
            answers = [read_answer(connection) for connection in [*kept[:2], half_sent]]
            assert [status for status, _ in answers] == [200, 200, 200]
            assert [call.result().outputs["done"].int_val[0] for call in calls] == [1000, 1000]
            assert [connection.recv(1) for connection in kept] == [b""] * 4  # closed, idle or not
            status, log = ended.result()
    assert (status, "Traceback" in log) == (0, False), log


def test_a_second_signal_ends_the_server_at_once(start: Callable[..., Any], models: Path) -> None:
    server = start("--model_name=slow", f"--model_base_path={models / 'slow'}")
    server.wait_for("slow")
    with connect(server.rest_port) as connection:
        connection.sendall(post("slow", b'{"instances": [%d]}' % FOREVER))
        assert server.ask("GET", "/v1/models/slow").status == 200  # sent later, so the first request is in flight
        server.process.send_signal(signal.SIGTERM)
        while "Stopping; requests in flight" not in server.process.stderr.readline():
            pass
        began = time.monotonic()
        assert server.stop(signal.SIGTERM)[0] == -signal.SIGTERM
        assert time.monotonic() - began < 1


def test_clients_that_try_again_do_not_notice_a_killed_server(
    start: Callable[..., Any], light: tuple[str, ...]
) -> None:
    server = start(*light)
    server.wait_for("light")
    inputs = {"input_ids": [[2, 4, 3]], "lengths": [3], "mask_positions": [[1]]}
    body = json.dumps({"signature_name": "fill_mask", "inputs": inputs})
    expected = server.predict("light", body).json
    assert "outputs" in expected
    fixed = [f"--port={server.grpc_port}", f"--rest_api_port={server.rest_port}"]
    over = threading.Event()

    answered = [0, 0, 0]

    def ask_until_over(client: int) -> None:
        while not over.is_set():
            connection = HTTPConnection("127.0.0.1", server.rest_port, timeout=10)
            with contextlib.suppress(OSError, HTTPException), contextlib.closing(connection):
                connection.request("POST", "/v1/models/light:predict", body)
                response = connection.getresponse()
                assert (response.status, json.loads(response.read())) == (200, expected)
                answered[client] += 1
                continue
            time.sleep(0.05)  # the client's delay before a retry

    with concurrent.futures.ThreadPoolExecutor() as threads:
        clients = [threads.submit(ask_until_over, number) for number in range(3)]
        try:
            wait_until(lambda: all(answered))
            server.process.kill()
            server.process.communicate()
            start(*light, *fixed)
            before = list(answered)
            wait_until(lambda: all(now > then for now, then in zip(answered, before, strict=True)), within_s=60)
        finally:
            over.set()
        for client in clients:
            client.result()
