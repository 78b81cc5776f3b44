"""Read GPU usage from NVIDIA's management library (NVML)."""

import contextlib
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType


class NoGpuError(Exception):
    """This machine has no GPU.

    The message gives the reason.
    """


class GpuFailedError(NoGpuError):
    """The driver or the GPU has failed.

    NVIDIA's library is installed.
    """


@dataclass(frozen=True, slots=True)
class GpuUsage:
    """The usage of all GPUs.

    Attributes:
        name: the first GPU's name, with the number of GPUs if several.
        memory_mb: memory in use by all processes, in units of 2^20 bytes.
        utilization_percent: the utilization of the busiest GPU; None if it is not reported (MIG).
    """

    name: str
    memory_mb: float
    utilization_percent: float | None


class Gpu:
    """An NVML session.

    It is reopened after a failure, to detect a GPU that has recovered.
    """

    def __init__(self) -> None:
        self._nvml: ModuleType | None = None

    def read(self) -> GpuUsage:
        """Return the GPU usage.

        Raises:
            NoGpuError: nvidia-ml-py (an optional dependency), NVIDIA's library or the GPU is missing.
            GpuFailedError: the driver or the GPU has failed.
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
        except nvml.NVMLError_LibraryNotFound as error:
            raise NoGpuError(str(error)) from error
        except nvml.NVMLError as error:
            self.close()
            raise GpuFailedError(str(error)) from error

    def close(self) -> None:
        """Close the session if it is open."""
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
