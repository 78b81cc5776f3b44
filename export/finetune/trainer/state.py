"""Save and restore a training.

A state is one safetensors file: the weights, the moments of the optimizer and the states of the random generators, with
the progress as JSON in the metadata. A file replaces the previous one atomically. Nothing is pickled.
"""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

_PROGRESS = "progress"


@dataclass(slots=True)
class Progress:
    """How far a training is.

    Attributes:
        step: optimizer steps taken.
        losses: sum of the losses of this epoch's steps.
        seconds: time spent on training and evaluation.
        epochs: the figures of each evaluated epoch.
        best_epoch: the number of the best one, 0 before the first evaluation.
        threads: PyTorch's threads. Another number would round differently.
        device: the processor and the precision.
        torch_version: PyTorch's version.
    """

    step: int = 0
    losses: float = 0.0
    seconds: float = 0.0
    epochs: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = 0
    threads: int = field(default_factory=torch.get_num_threads)
    device: str = ""
    torch_version: str = ""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the progress of a saved state."""
        with safe_open(path, framework="pt") as file:
            return cls(**json.loads(file.metadata()[_PROGRESS]))


def save_state(path: Path, progress: Progress, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Replace the saved state."""
    tensors = {f"model/{name}": tensor for name, tensor in model.state_dict().items()}
    for index, values in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{name}": tensor for name, tensor in values.items()}
    tensors["generator/cpu"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["generator/cuda"] = torch.cuda.get_rng_state()
    replace_file(path, tensors, {_PROGRESS: json.dumps(asdict(progress))})


def restore_state(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Restore a saved state."""
    weights: dict[str, Tensor] = {}
    moments: dict[int, dict[str, Tensor]] = {}
    with safe_open(path, framework="pt") as file:
        for key in file.keys():  # noqa: SIM118 - not a dict
            kind, *place = key.split("/")
            if kind == "model":
                weights[place[0]] = file.get_tensor(key)
            elif kind == "optimizer":
                moments.setdefault(int(place[0]), {})[place[1]] = file.get_tensor(key)
            elif place[0] == "cpu":
                torch.set_rng_state(file.get_tensor(key))
            elif torch.cuda.is_available():
                torch.cuda.set_rng_state(file.get_tensor(key))
    model.load_state_dict(weights)
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})


def replace_file(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write tensors to a file, atomically."""
    fresh = path.with_suffix(".new")
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, fresh, metadata)
    with fresh.open("rb") as file:
        os.fsync(file.fileno())  # otherwise a power failure could leave the new name on an empty file
    fresh.replace(path)
