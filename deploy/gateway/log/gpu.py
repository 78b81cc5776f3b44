"""What NVIDIA's management library (NVML) says about the GPUs of this machine."""

import contextlib
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType


class NoGpuError(Exception):
    """There is no GPU to be seen. The message says why."""


@dataclass(frozen=True, slots=True)
class GpuUsage:
    """All GPUs together.

    Attributes:
        name: the first GPU's name, with how many there are if several.
        memory_mb: memory in use by all processes, in units of 2^20 bytes.
        utilization_percent: how much of the time the busiest was computing; None where that is not told (MIG).
    """

    name: str
    memory_mb: float
    utilization_percent: float | None


class Gpu:
    """NVML's session, opened anew after each failure, so that a GPU that comes back is seen again."""

    def __init__(self) -> None:
        self._nvml: ModuleType | None = None

    def read(self) -> GpuUsage:
        """Ask how much of the GPUs is in use.

        Raises:
            NoGpuError: no nvidia-ml-py (an optional dependency), no driver, no GPU, or one that answers no more.
        """
        try:
            nvml = import_module("pynvml")
        except ImportError as error:
            msg = "nvidia-ml-py is not installed"
            raise NoGpuError(msg) from error
        try:
            if self._nvml is None:
                nvml.nvmlInit()
                self._nvml = nvml
            return _read(nvml)
        except nvml.NVMLError as error:
            self.close()
            raise NoGpuError(str(error)) from error

    def close(self) -> None:
        """End the session, if there is one."""
        nvml, self._nvml = self._nvml, None
        if nvml is not None:
            with contextlib.suppress(nvml.NVMLError):
                nvml.nvmlShutdown()


def _read(nvml: ModuleType) -> GpuUsage:
    gpus = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
    if not gpus:
        msg = "the driver has no GPU"
        raise NoGpuError(msg)
    name = nvml.nvmlDeviceGetName(gpus[0])
    memory_bytes = sum(nvml.nvmlDeviceGetMemoryInfo(gpu).used for gpu in gpus)
    utilizations = [utilization for gpu in gpus if (utilization := _utilization(nvml, gpu)) is not None]
    return GpuUsage(
        name=name if len(gpus) == 1 else f"{len(gpus)} x {name}",
        memory_mb=memory_bytes / 2**20,
        utilization_percent=max(utilizations, default=None),
    )


def _utilization(nvml: ModuleType, gpu: object) -> float | None:
    try:
        return float(nvml.nvmlDeviceGetUtilizationRates(gpu).gpu)
    except nvml.NVMLError_NotSupported:
        return None
