"""What the gateway, the model server and the GPU use: lines at intervals, and the latest values for metrics."""

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import psutil

from deploy.gateway.log.gpu import Gpu, GpuUsage, NoGpuError
from deploy.gateway.log.lines import Device, Line, Process, ResourceUsage

INTERVAL_S = 10.0


@dataclass(frozen=True, slots=True)
class ProcessUsage:
    """What a process uses.

    Attributes:
        pid: its number.
        cpu_percent: share of one core since the reading before; the first time, since it began.
        memory_mb: resident memory, in units of 2^20 bytes.
    """

    pid: int
    cpu_percent: float
    memory_mb: float


@dataclass(frozen=True, slots=True)
class Resources:
    """One reading; there is no server where it is down, on another machine or in another container."""

    gateway: ProcessUsage
    server: ProcessUsage | None
    gpu: GpuUsage | None

    @property
    def gpu_memory_mb(self) -> float:
        """GPU memory in use, 0 where the CPU computes."""
        return self.gpu.memory_mb if self.gpu else 0.0


class ResourceMonitor:
    """Read what is used at intervals, in a thread of its own, and tell it in lines.

    Whether there is a GPU is told at the start and when it changes.

    Attributes:
        latest: the last reading.
    """

    def __init__(
        self,
        tell: Callable[[Line], object],
        *,
        server_pid: int | None = None,
        server_port: int | None = None,
        interval_s: float = INTERVAL_S,
    ) -> None:
        """Take the first reading and start the thread.

        Args:
            tell: takes the lines, in the monitor's thread.
            server_pid: the model server's process, if it is known.
            server_port: else a port that it listens on at this machine; a server that was started anew is found again.
            interval_s: seconds between readings.
        """
        self._tell = tell
        self._server_port = server_port
        self._interval_s = interval_s
        self._gateway = _Process(psutil.Process())
        self._server = _by_pid(server_pid) if server_pid is not None else None
        self._gpu = Gpu()
        self._told_device: str | None = None
        self.latest = self._read()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="resources", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the thread."""
        self._closing.set()
        self._thread.join()
        self._gpu.close()

    def _run(self) -> None:
        while not self._closing.wait(self._interval_s):
            self.latest = self._read()
            for line in _lines(self.latest):
                self._tell(line)

    def _read(self) -> Resources:
        return Resources(gateway=self._gateway.read(), server=self._read_server(), gpu=self._read_gpu())

    def _read_server(self) -> ProcessUsage | None:
        if self._server is None and self._server_port is not None:
            self._server = _by_port(self._server_port)
        if self._server is not None:
            with contextlib.suppress(psutil.Error):
                return self._server.read()
            self._server = None
        return None

    def _read_gpu(self) -> GpuUsage | None:
        try:
            gpu = self._gpu.read()
        except NoGpuError as error:
            self._tell_device(Device(status="cpu_fallback", device="cpu", error=str(error)))
            return None
        self._tell_device(Device(status="active", device=gpu.name, gpu_memory_mb=gpu.memory_mb))
        return gpu

    def _tell_device(self, line: Device) -> None:
        if line.device != self._told_device:
            self._told_device = line.device
            self._tell(line)


def _lines(resources: Resources) -> list[ResourceUsage]:
    """Return a line for each process; what the GPU does stands in the server's, or in the only one."""
    lines: list[ResourceUsage] = []
    usages: dict[Process, ProcessUsage | None] = {"server": resources.server, "gateway": resources.gateway}
    for process, usage in usages.items():
        if usage:
            gpu = None if lines else resources.gpu
            lines.append(
                ResourceUsage(
                    process=process,
                    pid=usage.pid,
                    cpu_percent=usage.cpu_percent,
                    memory_mb=usage.memory_mb,
                    gpu_memory_mb=gpu.memory_mb if gpu else None,
                    gpu_utilization_percent=gpu.utilization_percent if gpu else None,
                )
            )
    return lines


class _Process:
    """A process, and what it had used when it was read before."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._cpu_s = 0.0
        self._read_at: float = process.create_time()

    def read(self) -> ProcessUsage:
        """Return what it uses.

        Raises:
            psutil.Error: it is gone, or may not be read.
        """
        pid = self._process.pid
        with self._process.oneshot():
            if self._process.status() == psutil.STATUS_ZOMBIE:
                raise psutil.NoSuchProcess(pid)
            times = self._process.cpu_times()
            memory_bytes = self._process.memory_info().rss
        now, cpu_s = time.time(), times.user + times.system
        share = (cpu_s - self._cpu_s) / max(now - self._read_at, 0.001)
        self._read_at, self._cpu_s = now, cpu_s
        return ProcessUsage(pid=pid, cpu_percent=100 * share, memory_mb=memory_bytes / 2**20)


def _by_pid(pid: int) -> _Process | None:
    with contextlib.suppress(psutil.Error):
        return _Process(psutil.Process(pid))
    return None


def _by_port(port: int) -> _Process | None:
    """Find who listens on a port; other users' processes are seen by root alone."""
    with contextlib.suppress(psutil.Error):
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                return _by_pid(connection.pid)
    return None
