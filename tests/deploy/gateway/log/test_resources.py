"""Test resource lines while processes and GPUs appear and disappear."""

import json
import operator
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from deploy.gateway.log.gpu import Gpu, GpuFailedError, NoGpuError
from deploy.gateway.log.json_lines import level_of
from deploy.gateway.log.lines import Device, Line, ResourceUsage
from deploy.gateway.log.resources import ResourceMonitor

HERE = Path(__file__).parent
ROOT = HERE.parents[3]
Until = Callable[[Callable[[], bool]], None]
SERVER = """
import socket, sys
listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print(listening.getsockname()[1], flush=True)
data = bytearray(50 * 2**20)
while True:
    sum(range(1000))
"""


def start_server(port: int = 0) -> tuple["subprocess.Popen[str]", int]:
    """Start a process that listens on a port, holds 50 MB and keeps a core busy."""
    process = subprocess.Popen([sys.executable, "-c", SERVER, str(port)], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    return process, int(process.stdout.readline())


def end(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate()


@pytest.fixture
def server() -> Iterator[tuple[int, int]]:
    """Yield a busy server's pid and port."""
    process, port = start_server()
    yield process.pid, port
    end(process)


def of(lines: list[Line], process: str) -> list[ResourceUsage]:
    return [line for line in lines if isinstance(line, ResourceUsage) and line.process == process]


def test_the_gateway_and_a_server_given_by_its_pid_are_read(server: tuple[int, int], until: Until) -> None:
    pid, _ = server
    lines: list[Line] = []
    with ResourceMonitor(lines.append, server_pid=pid, interval_s=0.1) as monitor:
        until(lambda: len(of(lines, "server")) >= 3)
        assert monitor.latest.server
        assert monitor.latest.server.pid == pid
        assert monitor.latest.server.memory_mb > 50
        assert monitor.latest.gateway.pid == os.getpid()
    assert of(lines, "server")[0].cpu_percent > 5
    assert of(lines, "gateway")[0].memory_mb > 10


def test_a_server_is_found_by_its_port_and_found_again_after_a_restart(until: Until) -> None:
    process, port = start_server()
    with ResourceMonitor(lambda _: None, server_port=port, interval_s=0.05) as monitor:
        assert monitor.latest.server
        assert monitor.latest.server.pid == process.pid
        end(process)
        until(lambda: monitor.latest.server is None)
        process, _ = start_server(port)
        until(lambda: monitor.latest.server is not None and monitor.latest.server.pid == process.pid)
    end(process)


def test_a_server_that_has_ended_and_is_not_yet_reaped_is_gone(until: Until) -> None:
    process, _ = start_server()
    with ResourceMonitor(lambda _: None, server_pid=process.pid, interval_s=0.05) as monitor:
        assert monitor.latest.server
        process.kill()
        until(lambda: monitor.latest.server is None)
    end(process)


def test_without_a_server_there_is_a_reading_of_the_gateway_alone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    process, _ = start_server()
    end(process)
    lines: list[Line] = []
    for monitor in (
        ResourceMonitor(lines.append, server_port=port),
        ResourceMonitor(lines.append, server_pid=process.pid),
        ResourceMonitor(lines.append),
    ):
        assert monitor.latest.server is None
        assert monitor.latest.gateway.memory_mb > 10
        monitor.close()


def test_the_share_of_the_cpu_is_that_since_the_reading_before(until: Until) -> None:
    lines: list[Line] = []
    clocks: list[tuple[float, float]] = []
    busy = threading.Event()

    def work() -> None:
        while not busy.is_set():
            sum(range(1000))

    def add(line: Line) -> None:
        if of([line], "gateway"):
            clocks.append((time.monotonic(), time.process_time()))
        lines.append(line)

    with ResourceMonitor(add, interval_s=0.2):
        until(lambda: len(of(lines, "gateway")) >= 2)
        thread = threading.Thread(target=work)
        thread.start()
        seen = len(of(lines, "gateway"))
        until(lambda: len(of(lines, "gateway")) >= seen + 6)
        busy.set()
        thread.join()
    first, last = seen, seen + 5
    (start, cpu), (end, used) = clocks[first], clocks[last]
    expected = 100 * (used - cpu) / (end - start)
    passed = [later - earlier for (earlier, _), (later, _) in pairwise(clocks[first : last + 1])]
    shares = [line.cpu_percent for line in of(lines, "gateway")[first + 1 : last + 1]]
    share = sum(map(operator.mul, shares, passed)) / sum(passed)
    assert share == pytest.approx(expected, rel=0.3)


@pytest.mark.parametrize(
    ("error", "status", "level"),
    [
        (NoGpuError("NVML Shared Library Not Found"), "active", "INFO"),  # this machine never had one
        (GpuFailedError("Driver Not Loaded"), "cpu_fallback", "WARNING"),
    ],
)
def test_a_missing_gpu_is_a_warning_only_where_there_should_be_one(
    error: NoGpuError, status: str, level: str, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    def read(_: Gpu) -> None:
        raise error

    monkeypatch.setattr(Gpu, "read", read)
    lines: list[Line] = []
    with ResourceMonitor(lines.append, interval_s=0.02) as monitor:
        until(lambda: len(of(lines, "gateway")) >= 3)
        assert monitor.latest.gpu_memory_mb == 0.0
    [device] = [line for line in lines if isinstance(line, Device)]
    assert (device.status, level_of(device), device.device, device.error) == (status, level, "cpu", str(error))
    assert lines[0] == device
    assert all(line.gpu_memory_mb is None for line in of(lines, "gateway"))


WATCH = """
import sys
from deploy.gateway.log.json_lines import encode
from deploy.gateway.log.resources import ResourceMonitor
def tell(line):
    sys.stdout.buffer.write(encode(line))
    sys.stdout.flush()
with ResourceMonitor(tell, interval_s=0.05):
    sys.stdin.read()
"""


@pytest.mark.skipif(not shutil.which("cc"), reason="the stand-in for NVIDIA's library needs a C compiler")
def test_a_gpu_that_is_lost_and_comes_back_is_told_each_time(tmp_path: Path) -> None:
    library = tmp_path / "libnvidia-ml.so.1"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(HERE / "nvml.c")], check=True)
    lost = tmp_path / "lost"
    environment = {**os.environ, "LD_LIBRARY_PATH": str(tmp_path), "GPU_LOST": str(lost)}
    command = [sys.executable, "-c", WATCH]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        told = (json.loads(text) for text in process.stdout)
        first = next(told)
        assert (first["status"], first["device"], first["gpu_memory_mb"]) == ("active", "Test GPU", 2048.0)
        usage = next(told)
        assert (usage["process"], usage["gpu_memory_mb"], usage["gpu_utilization_percent"]) == ("gateway", 2048.0, 37.0)
        lost.touch()
        gone = next(line for line in told if line["module"] == "device")
        assert (gone["status"], gone["level"], gone["error"]) == ("cpu_fallback", "WARNING", "GPU is lost")
        assert "gpu_memory_mb" not in next(told)
        lost.unlink()
        assert next(line for line in told if line["module"] == "device")["status"] == "active"
        assert next(told)["gpu_memory_mb"] == 2048.0
        process.stdin.close()
        list(told)
    assert process.returncode == 0
