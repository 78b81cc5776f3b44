"""Choose the processor and the precision of a training."""

import os
from dataclasses import dataclass

import torch

from export.finetune.plan import Precision


@dataclass(frozen=True, slots=True)
class Device:
    """A processor and its precision.

    Attributes:
        device: the GPU, or the CPU.
        name: its name for people.
        is_bf16: whether matrix products are computed in bfloat16.
    """

    device: torch.device
    name: str
    is_bf16: bool

    @classmethod
    def choose(cls, precision: Precision) -> "Device":
        """Choose the first GPU, or the CPU."""
        if torch.cuda.is_available():
            # Some of cuBLAS's algorithms give other results in each run without this workspace.
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
            torch.use_deterministic_algorithms(True, warn_only=True)  # noqa: FBT003 - PyTorch's signature
            has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
            return cls(torch.device("cuda", 0), torch.cuda.get_device_name(0), _is_bf16(precision, has_bf16=has_bf16))
        capabilities = torch.cpu.get_capabilities()
        has_bf16 = any(bool(capabilities.get(name)) for name in ("avx512_bf16", "amx_bf16", "bf16"))
        return cls(torch.device("cpu"), "the CPU", _is_bf16(precision, has_bf16=has_bf16))

    def autocast(self, *, exact: bool = False) -> torch.autocast:
        """Return the context of the matrix products.

        Args:
            exact: compute in float32.
        """
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.is_bf16 and not exact)

    def __str__(self) -> str:
        count = torch.get_num_threads()
        threads = f" with {count} thread{'' if count == 1 else 's'}" if self.device.type == "cpu" else ""
        return f"{self.name}{threads} in {'bfloat16' if self.is_bf16 else 'float32'}"


def _is_bf16(precision: Precision, *, has_bf16: bool) -> bool:
    return has_bf16 if precision == "auto" else precision == "bf16"
