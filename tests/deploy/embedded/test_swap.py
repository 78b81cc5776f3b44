"""Test version swaps in a server process under load."""

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)


class Load:
    """Sends requests over both APIs one by one, and records the answers."""

    def __init__(self, server: Any) -> None:
        self.versions: list[int] = []
        self.faults: list[Any] = []
        self._server = server
        self._over = threading.Event()
        self._threads = [threading.Thread(target=ask) for ask in (self._grpc, self._grpc, self._rest)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _grpc(self) -> None:
        message = predict_pb2.PredictRequest(model_spec={"name": "half"})
        message.inputs["x"].CopyFrom(tf.make_tensor_proto([[1.0]]))
        with self._server.channel() as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            while not self._over.is_set():
                try:
                    self.versions.append(stub.Predict(message, timeout=30).model_spec.version.value)
                except grpc.RpcError as error:
                    self.faults.append(error)

    def _rest(self) -> None:
        while not self._over.is_set():
            answer = self._server.predict("half", {"instances": [[1.0]]})
            if answer.status != 200:
                self.faults.append(answer)


def put(source: Path, target: Path) -> Path:
    """Create a version folder under a temporary name and rename it."""
    unfinished = target.with_name(f".tmp-{target.name}")
    shutil.copytree(source, unfinished)
    return unfinished.rename(target)


def states(server: Any) -> dict[str, str]:
    answer = server.ask("GET", "/v1/models/half")
    return {version["version"]: version["state"] for version in answer.json["model_version_status"]}


def test_no_request_fails_while_versions_come_and_go(
    start: Callable[..., Any], models: Path, tmp_path: Path, eventually: Callable[..., None]
) -> None:
    base, source = tmp_path / "half", models / "half" / "1"
    put(source, base / "1")
    server = start("--model_name=half", f"--model_base_path={base}", "--max_num_load_retries=0")
    server.wait_for("half")
    with Load(server) as load:
        eventually(lambda: load.versions)
        put(source, base / "2")
        eventually(lambda: states(server) == {"2": "AVAILABLE", "1": "END"})
        eventually(lambda: load.versions[-1] == 2)

        broken = shutil.copytree(source, tmp_path / "broken")
        (broken / "saved_model.pb").write_bytes(b"\xff" * 100)
        broken.rename(base / "3")
        eventually(lambda: states(server) == {"3": "END", "2": "AVAILABLE", "1": "END"})
        shutil.rmtree(base / "3")

        shutil.rmtree(base / "2")
        eventually(lambda: states(server) == {"3": "END", "2": "END", "1": "AVAILABLE"})
        put(source, base / "00000004")
        eventually(lambda: states(server) == {"4": "AVAILABLE", "3": "END", "2": "END", "1": "END"})
        eventually(lambda: load.versions[-1] == 4)
    assert load.faults == []
    assert set(load.versions) == {1, 2, 4}
    (version,) = server.ask("GET", "/v1/models/half/versions/3").json["model_version_status"]
    assert version["status"]["error_code"] != "OK"
    status, log = server.stop()
    assert (status, "Traceback" in log) == (0, False)


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="only Linux lists a process's threads and files")
def test_ten_swaps_lose_no_request_and_leave_neither_threads_nor_files(
    start: Callable[..., Any], models: Path, eventually: Callable[..., None]
) -> None:
    server = start("--model_name=half", f"--model_base_path={models / 'half'}", "--enable_batching")
    server.wait_for("half")

    def swap(service: Any, load: Load, wanted: int, other: int) -> None:
        request = model_management_pb2.ReloadConfigRequest()
        half = request.config.model_config_list.config.add(
            name="half", base_path=str(models / "half"), model_platform="tensorflow"
        )
        half.model_version_policy.specific.versions.append(wanted)
        assert service.HandleReloadConfigRequest(request, timeout=30).status.error_code == 0
        eventually(lambda: states(server) == {str(wanted): "AVAILABLE", str(other): "END"})
        eventually(lambda: load.versions[-1] == wanted)

    def used() -> int:
        process = Path(f"/proc/{server.process.pid}")
        return sum(len(list((process / what).iterdir())) for what in ("task", "fd"))

    after = []
    with server.channel() as channel:
        service = model_service_pb2_grpc.ModelServiceStub(channel)
        for swaps in (1, 4):
            with Load(server) as load:
                for _ in range(swaps):
                    swap(service, load, 1, 123)
                    swap(service, load, 123, 1)
            assert load.faults == []
            after.append(used())
    assert after[1] - after[0] <= 3, after  # eight more swaps; a pool of threads may have grown


def test_the_config_file_is_read_again(
    start: Callable[..., Any], models: Path, tmp_path: Path, eventually: Callable[..., None]
) -> None:
    path = tmp_path / "models.config"

    def write(text: str) -> None:
        unfinished = path.with_suffix(".tmp")
        unfinished.write_text(f"model_config_list {{ {text} }}")
        unfinished.rename(path)

    def entry(name: str, more: str = "") -> str:
        return f'config {{ name: "{name}" base_path: "{models / name}" model_platform: "tensorflow" {more} }}'

    write(entry("half", 'version_labels { key: "stable" value: 123 }'))
    server = start(
        f"--model_config_file={path}",
        "--model_config_file_poll_wait_seconds=1",
        "--allow_version_labels_for_unavailable_models",
    )
    server.wait_for("half")
    assert server.ask("POST", "/v1/models/half/labels/stable:predict", '{"instances": [1]}').status == 200
    write(entry("half", "model_version_policy { all {} }") + entry("pair"))
    eventually(lambda: server.ask("GET", "/v1/models/pair").status == 200)
    server.wait_for("pair")
    eventually(lambda: states(server) == {"123": "AVAILABLE", "1": "AVAILABLE"})

    path.write_text("model_config_list { config { nmae")
    line = server.read_log_until("Failed to read ModelServerConfig file: ")
    assert f"Invalid protobuf file: '{path}'" in line
    write(entry("half") * 2)
    line = server.read_log_until("PollFilesystemAndReloadConfig failed to ReloadConfig: ")
    assert "Illegal to list model half multiple times in config list" in line
    assert states(server) == {"123": "AVAILABLE", "1": "AVAILABLE"}

    write(entry("pair"))
    eventually(lambda: states(server) == {"123": "END", "1": "END"})
    assert server.ask("GET", "/v1/models/pair").json["model_version_status"][0]["state"] == "AVAILABLE"


def test_labels_at_the_start_need_the_flag(runner: Callable[..., Any], models: Path, tmp_path: Path) -> None:
    path = tmp_path / "models.config"
    path.write_text(
        f'model_config_list {{ config {{ name: "half" base_path: "{models / "half"}" model_platform: "tensorflow" '
        'version_labels { key: "stable" value: 123 } } }'
    )
    done = runner(f"--model_config_file={path}")
    assert done.returncode == 255
    assert done.stdout == (
        "Failed to start server. Error: FAILED_PRECONDITION: Request to assign label to version 123 of model half, "
        "which is not currently available for inference\n"
    )
