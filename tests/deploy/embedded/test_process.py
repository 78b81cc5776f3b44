"""Test the server process from start to stop."""

import os
import resource
import shutil
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2, prediction_service_pb2_grpc

from deploy.embedded.__main__ import GRACE_S
from loadtest.processes import cpu_s

SLOW = 10_000_000
"""More milliseconds of the slow model than any test waits for."""


def warmup(folder: Path, *records: bytes) -> None:
    extra = folder / "assets.extra"
    extra.mkdir()
    with tf.io.TFRecordWriter(str(extra / "tf_serving_warmup_requests")) as writer:
        for record in records:
            writer.write(record)


def predict_log(**inputs: Any) -> bytes:
    log = prediction_log_pb2.PredictionLog()
    for name, value in inputs.items():
        log.predict_log.request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return bytes(log.SerializeToString())


def copy(source: Path, target: Path) -> Path:
    tf.io.gfile.makedirs(str(target / "variables"))
    for path in source.rglob("*"):
        if path.is_file():
            (target / path.relative_to(source)).write_bytes(path.read_bytes())
    return target


def ended_cpu_s() -> float:
    """Return the CPU time of the child processes that have ended."""
    times = resource.getrusage(resource.RUSAGE_CHILDREN)
    return times.ru_utime + times.ru_stime


def test_ctrl_c_leaves_no_process_and_no_port(start: Callable[..., Any], models: Path, tmp_path: Path) -> None:
    folder = copy(models / "half" / "1", tmp_path / "half" / "1")
    warmup(folder, predict_log(x=[[1.0]]), predict_log(x=[[1.0], [2.0]]))
    server = start(
        "--model_name=half", f"--model_base_path={tmp_path / 'half'}", "--enable_profiler", "--num_tflite_pools=2"
    )
    server.wait_for("half")
    began, used, of_others = time.monotonic(), cpu_s(server.process), ended_cpu_s()
    status, log = server.stop(signal.SIGINT)
    assert status == 0
    assert time.monotonic() - began < GRACE_S
    assert ended_cpu_s() - of_others - used < 1  # garbage collection at the exit would take longer
    assert "Traceback" not in log
    assert "have no effect: --enable_profiler, --num_tflite_pools." in log
    assert "Ran 2 warmup records" in log
    assert f"Loaded model half version 1 from {folder} in " in log
    assert f"Running gRPC ModelServer at 127.0.0.1:{server.grpc_port} ...\n" in log
    assert f"Exporting HTTP/REST API at:127.0.0.1:{server.rest_port} ...\n" in log
    assert f"Serving gRPC on 127.0.0.1:{server.grpc_port} and REST on http://127.0.0.1:{server.rest_port}\n" in log
    for port in (server.grpc_port, server.rest_port):
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
    with pytest.raises(ProcessLookupError):
        os.kill(server.process.pid, 0)


def test_deadlines_end_requests_and_stopping_waits_for_short_ones(start: Callable[..., Any], models: Path) -> None:
    server = start(
        "--model_name=slow",
        f"--model_base_path={models / 'slow'}",
        "--rest_api_timeout_in_ms=1500",
        "--enable_serialization_as_tensor_content=true",
        "--rest_api_enable_cors_support",
    )
    server.wait_for("slow")
    answer = server.ask("OPTIONS", "/v1/models/slow:predict", headers={"Origin": "http://page"})
    assert answer.headers["access-control-allow-origin"] == "*"

    with server.channel() as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        message = predict_pb2.PredictRequest(model_spec={"name": "slow"})
        message.inputs["steps"].CopyFrom(tf.make_tensor_proto(np.array([1], np.int32)))
        assert stub.Predict(message, timeout=10).outputs["done"].tensor_content == b"\1\0\0\0"

    with socket.create_connection(("127.0.0.1", server.rest_port), timeout=10) as connection:
        connection.sendall(slow_request())
        assert server.ask("GET", "/v1/models/slow").status == 200  # sent later, so the first request is in flight
        status, log = server.stop(signal.SIGTERM)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert (status, "Traceback" in log) == (0, False)
    assert answer.startswith(b"HTTP/1.1 504 ")
    assert b"Timed out waiting for notification" in answer


def test_a_run_that_outlives_its_grace_does_not_hold_the_exit(start: Callable[..., Any], models: Path) -> None:
    server = start("--model_name=slow", f"--model_base_path={models / 'slow'}", "--rest_api_timeout_in_ms=0")
    server.wait_for("slow")
    with socket.create_connection(("127.0.0.1", server.rest_port), timeout=10) as connection:
        connection.sendall(slow_request())
        assert server.ask("GET", "/v1/models/slow").status == 200  # sent later, so the first request is in flight
        began = time.monotonic()
        status, log = server.stop(signal.SIGTERM)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert (status, "Traceback" in log) == (0, False)
    assert time.monotonic() - began > GRACE_S - 1  # SLOW is hours, and stop() waits half a minute
    assert answer.startswith(b"HTTP/1.1 503 ")


def slow_request() -> bytes:
    body = b'{"instances": [%d]}' % SLOW
    return b"POST /v1/models/slow:predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def test_a_clients_deadline_ends_its_call(start: Callable[..., Any], models: Path) -> None:
    server = start("--model_name", "slow", "--model_base_path", str(models / "slow"))
    server.wait_for("slow")
    with server.channel() as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        message = predict_pb2.PredictRequest(model_spec={"name": "slow"})
        message.inputs["steps"].CopyFrom(tf.make_tensor_proto(np.array([SLOW], np.int32)))
        with pytest.raises(grpc.RpcError) as caught:
            stub.Predict(message, timeout=0.5)
        error: Any = caught.value
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    began = time.monotonic()
    status, log = server.stop()
    assert (status, "Traceback" in log) == (0, False)
    assert time.monotonic() - began < GRACE_S  # a call in flight would be waited for so long


def test_a_taken_port_is_named_with_its_flag(runner: Callable[..., Any], models: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for flag in ("--port", "--rest_api_port"):
            done = runner(f"--model_base_path={models / 'half'}", f"{flag}={port}")
            assert done.returncode == 255
            sentence = f"Port {port} on 127.0.0.1 is in use; stop the program that has it, or choose another {flag}."
            assert done.stdout == f"Failed to start server. Error: {sentence}\n"
            assert "Traceback" not in done.stderr


def test_a_folder_without_versions_fails_at_once_when_nothing_is_polled(
    runner: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "v1").mkdir()
    done = runner(
        "--model_name=m",
        f"--model_base_path={tmp_path}",
        "--file_system_poll_wait_seconds=0",
    )
    assert done.returncode == 255
    sentence = (
        f"No versions of servable m found under base path {tmp_path}. Did you forget to name your leaf directory as a "
        "number (eg. '/1/')?"
    )
    assert done.stdout == f"Failed to start server. Error: {sentence}\n"


def test_a_polling_server_waits_for_its_first_version(
    start: Callable[..., Any], tiny_version: Path, tmp_path: Path
) -> None:
    base = tmp_path / "tiny"
    base.mkdir()
    server = start("--engine=onnx", "--model_name=tiny", f"--model_base_path={base}")
    line = server.process.stderr.readline()
    assert f"No versions of servable tiny found under base path {base}." in line
    shutil.copytree(tiny_version, tmp_path / "unfinished").rename(base / "5")
    server.wait_for("tiny")
    assert server.ask("GET", "/v1/models/tiny/versions/5").status == 200


def test_a_waiting_server_can_be_stopped(start: Callable[..., Any], tmp_path: Path) -> None:
    server = start("--model_name=m", f"--model_base_path={tmp_path}")
    server.process.stderr.readline()
    status, log = server.stop()
    assert status == 0
    assert "Stopped before the models were loaded." in log


@pytest.mark.parametrize("damage", ["half-written", "warmup fails"])
def test_a_version_that_does_not_load_ends_the_server(
    runner: Callable[..., Any], models: Path, tmp_path: Path, damage: str
) -> None:
    folder = copy(models / "half" / "1", tmp_path / "half" / "1")
    if damage == "half-written":
        graph = folder / "saved_model.pb"
        graph.write_bytes(graph.read_bytes()[:100])
    else:
        warmup(folder, predict_log(x=[["text"]]))
    flags = ["--max_num_load_retries=1", "--load_retry_interval_micros=1000"]
    done = runner("--model_name=half", f"--model_base_path={tmp_path / 'half'}", *flags)
    assert done.returncode == 255
    assert done.stdout.startswith(
        "Failed to start server. Error: UNKNOWN: 1 servable(s) did not become available: "
        "{{{name: half version: 1} due to error: "
    )
    assert done.stderr.count(f"Version 1 of model half in {folder} cannot be loaded: ") == 2
    assert done.stdout.count("\n") == 1
    assert "Traceback" not in done.stderr
    if damage == "warmup fails":
        assert "Warmup record 1 of " in done.stdout


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ([], "No model to serve; give --model_base_path (and --model_name) or --model_config_file."),
        (
            ["--model_base_path=/no/such", "--file_system_poll_wait_seconds=0"],
            "Could not find base path /no/such for servable default with error NOT_FOUND: /no/such not found",
        ),
        (["--model_config_file=/no/such"], "The file /no/such cannot be read: "),
        (["--model_base_path=/tmp", "--batching_parameters_file=f"], "is given without --enable_batching"),
    ],
)
def test_what_cannot_be_served_is_said_in_a_sentence(
    runner: Callable[..., Any], flags: list[str], sentence: str
) -> None:
    done = runner(*flags)
    assert done.returncode == 255
    assert done.stdout.startswith("Failed to start server. Error: ")
    assert sentence in done.stdout
    assert "Traceback" not in done.stderr


def test_a_misspelt_config_file_is_named_on_both_outputs(runner: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "models.config"
    path.write_text("improper")
    done = runner(f"--model_config_file={path}")
    reason = f"Invalid protobuf file: '{path}': Error parsing text-format tensorflow.serving.ModelServerConfig: 1:1"
    assert done.returncode == 255
    assert done.stdout.startswith(f"Failed to start server. Error: {reason}")
    assert f"Cannot start: {reason}" in done.stderr


def test_an_unknown_flag_is_an_error(runner: Callable[..., Any]) -> None:
    done = runner("--model_base_pth=/models")
    assert done.returncode == 2
    assert "unrecognized arguments: --model_base_pth=/models" in done.stderr
