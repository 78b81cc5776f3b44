"""Test grpc.health.v1 with the official stubs, and the Unix socket."""

import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tensorflow_serving.apis import get_model_status_pb2, model_service_pb2_grpc

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


def test_the_health_service_knows_tensorflow_servings_names(start: Callable[..., Any], light: tuple[str, ...]) -> None:
    server = start(*light, "--enable_grpc_healthcheck_service")
    server.wait_for("light")
    with server.channel() as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        for service in ("", "ModelService", "PredictionService"):
            assert stub.Check(health_pb2.HealthCheckRequest(service=service)).status == SERVING
        with pytest.raises(grpc.RpcError) as caught:
            stub.Check(health_pb2.HealthCheckRequest(service="tensorflow.serving.PredictionService"))
        error: Any = caught.value
        assert error.code() is grpc.StatusCode.NOT_FOUND
        unknown = stub.Watch(health_pb2.HealthCheckRequest(service="other"))
        assert next(unknown).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        unknown.cancel()

        statuses: list[int] = []
        watch = stub.Watch(health_pb2.HealthCheckRequest())
        statuses.append(next(watch).status)
        ended: list[tuple[int, str]] = []
        stopper = threading.Thread(target=lambda: ended.append(server.stop(signal.SIGTERM)))
        stopper.start()
        statuses += [answer.status for answer in watch]
        stopper.join()
    assert statuses == [SERVING, NOT_SERVING]
    assert ended[0][0] == 0


def test_the_health_service_is_off_unless_asked_for(server: Any) -> None:
    with server.channel() as channel, pytest.raises(grpc.RpcError) as caught:
        health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
    error: Any = caught.value
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED


def status_of_light(target: str) -> int:
    with grpc.insecure_channel(target) as channel:
        stub = model_service_pb2_grpc.ModelServiceStub(channel)
        request = get_model_status_pb2.GetModelStatusRequest(model_spec={"name": "light"})
        return int(stub.GetModelStatus(request, timeout=5).model_version_status[0].version)


def test_a_unix_socket_serves_beside_the_port_and_without_it(
    start: Callable[..., Any], light: tuple[str, ...], tmp_path: Path
) -> None:
    flags = [*light, f"--grpc_socket_path={tmp_path / 's'}"]
    server = start(*flags)
    server.wait_for("light")
    assert status_of_light(f"unix:{tmp_path / 's'}") == 123
    assert status_of_light(f"127.0.0.1:{server.grpc_port}") == 123
    server.process.kill()
    server.process.communicate()

    server = start(*flags, "--port=0")  # over the socket file of the killed server
    server.wait_for("light")
    assert status_of_light(f"unix:{tmp_path / 's'}") == 123
    status, log = server.stop()
    assert status == 0
    assert f"Serving gRPC on unix:{tmp_path / 's'} and REST" in log


def test_a_unix_socket_that_cannot_be_made_is_said(runner: Callable[..., Any], models: Path, tmp_path: Path) -> None:
    def error(path: Path) -> str:
        done = runner(f"--model_base_path={models / 'half'}", f"--grpc_socket_path={path}")
        assert done.returncode == 255
        return str(done.stdout)

    (tmp_path / "file").write_text("")
    assert f"{tmp_path / 'file'} is not a socket; choose another --grpc_socket_path." in error(tmp_path / "file")
    assert "The folder of the Unix socket" in error(tmp_path / "none" / "s")
    assert "has a path of more than 103 bytes" in error(tmp_path / ("s" * 103))


def test_of_two_servers_on_a_unix_socket_the_later_one_has_it(
    start: Callable[..., Any], light: tuple[str, ...], tmp_path: Path
) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as taken:
        taken.bind(path)
        taken.listen()
        server = start(*light, f"--grpc_socket_path={path}")
        assert f"Another server listens on {path}" in server.read_log_until("Another server")
        server.wait_for("light")
        assert status_of_light(f"unix:{path}") == 123
