"""Measure the resource use of gateway, model server and GPU."""

import contextlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from deploy.gateway.log.gpu import Gpu, GpuFailedError, GpuUsage, NoGpuError
from deploy.gateway.log.lines import Device, Line, Process, ResourceUsage

INTERVAL_S = 10.0


@dataclass(frozen=True, slots=True)
class ProcessUsage:
    """The resource use of a process.

    Attributes:
        pid: the process id.
        cpu_percent: percent of one core since the previous reading, or since the process's start.
        memory_mb: resident memory, in units of 2^20 bytes.
    """

    pid: int
    cpu_percent: float
    memory_mb: float


@dataclass(frozen=True, slots=True)
class Resources:
    """A reading.

    The server is None if it is down, on another machine or in another container.
    """

    gateway: ProcessUsage
    server: ProcessUsage | None
    gpu: GpuUsage | None

    @property
    def gpu_memory_mb(self) -> float:
        """GPU memory in use, 0 without a GPU."""
        return self.gpu.memory_mb if self.gpu else 0.0


class ResourceMonitor:
    """Measure resource use at intervals in a thread.

    A device line is emitted at the start and when the device changes. The CPU is the usual device of a machine that
    never had a GPU, and a fallback (WARNING) on others.

    Attributes:
        latest: the last reading.
    """

    def __init__(
        self,
        emit: Callable[[Line], object],
        *,
        server_pid: int | None = None,
        server_port: int | None = None,
        server_name: str | None = None,
        interval_s: float = INTERVAL_S,
    ) -> None:
        """Measure once and start the thread.

        Args:
            emit: takes the lines, in the monitor's thread.
            server_pid: the model server's process, if it is known.
            server_port: otherwise its port on this machine, which also finds a restarted server.
            server_name: otherwise its program or module, for a shared process namespace without a shared network.
            interval_s: seconds between readings.
        """
        self._emit = emit
        self._server_port = server_port
        self._server_name = server_name
        self._interval_s = interval_s
        self._gateway = _Process(psutil.Process())
        self._server = _by_pid(server_pid) if server_pid is not None else None
        self._gpu = Gpu()
        self._emitted_device: str | None = None
        self._had_gpu = False
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
        """Stop the thread."""
        self._closing.set()
        self._thread.join()
        self._gpu.close()

    def _run(self) -> None:
        while not self._closing.wait(self._interval_s):
            self.latest = self._read()
            for line in _lines(self.latest):
                self._emit(line)

    def _read(self) -> Resources:
        return Resources(gateway=self._gateway.read(), server=self._read_server(), gpu=self._read_gpu())

    def _read_server(self) -> ProcessUsage | None:
        if self._server is None and self._server_port is not None:
            self._server = _by_port(self._server_port)
        elif self._server is None and self._server_name is not None:
            self._server = _by_name(self._server_name)
        if self._server is not None:
            with contextlib.suppress(psutil.Error):
                return self._server.read()
            self._server = None
        return None

    def _read_gpu(self) -> GpuUsage | None:
        try:
            gpu = self._gpu.read()
        except NoGpuError as error:
            is_fallback = self._had_gpu or isinstance(error, GpuFailedError)
            self._emit_device(
                Device(status="cpu_fallback" if is_fallback else "active", device="cpu", error=str(error))
            )
            return None
        self._had_gpu = True
        self._emit_device(Device(status="active", device=gpu.name, gpu_memory_mb=gpu.memory_mb))
        return gpu

    def _emit_device(self, line: Device) -> None:
        if line.device != self._emitted_device:
            self._emitted_device = line.device
            self._emit(line)


def _lines(resources: Resources) -> list[ResourceUsage]:
    """Return a line for each process.

    The GPU is in the server's line, or in the only one.
    """
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
    """A process with its previous reading."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._cpu_s = 0.0
        self._read_at: float = process.create_time()

    def read(self) -> ProcessUsage:
        """Measure the process.

        Raises:
            psutil.Error: the process has ended or access is denied.
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
    """Find the process that listens on a port.

    Only root can find processes of other users.
    """
    with contextlib.suppress(psutil.Error):
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                return _by_pid(connection.pid)
    return None


def _by_name(name: str) -> _Process | None:
    """Find the process with this program or argument.

    This process is excluded, as its arguments have the name, too.
    """
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            program, *words = process.cmdline() or [""]
            # python -m MODULE has the name in its second argument.
            if process.pid != os.getpid() and name in {Path(program).name, *words[:2]}:
                return _by_pid(process.pid)
    return None
