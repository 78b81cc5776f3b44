"""Fine-tune a classifier on the training set of models/NAME."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

from deploy.local.process import StartError
from export import find_checkpoint
from export.reference import torch_python

ROOT = Path(__file__).parents[2]
BASE = ROOT / "models" / "demo"
"""The checkpoint that training starts from: with a larger one it would take hours without a GPU."""

RECIPE = (
    "--epochs=4",
    "--patience=0",
    "--learning-rate=0.001",
    "--pooling=mean",
    "--hidden-dropout=0.1",
    "--mask-characters=0.1",
)
"""Options of ``python -m export.finetune`` for ``BASE`` and some ten thousand short texts."""


def ensure_checkpoint(data: Path, output: Path) -> Path:
    """Return the fine-tuned checkpoint, training it if needed.

    A checkpoint is reused as long as the data, the base checkpoint and the recipe stay the same. An interrupted
    training is resumed.

    Args:
        data: the folder of ``train.tsv`` and ``dev.tsv``; its name is the classifier's name.
        output: the folder of the checkpoints.

    Raises:
        StartError: PyTorch is missing, or the training failed (with its own message).
    """
    train, dev = data / "train.tsv", data / "dev.tsv"
    checkpoint = output / f"{data.name}-{_fingerprint(train, dev)}"
    if (checkpoint / "config.json").is_file():
        print(f"Using {checkpoint}, trained before.", flush=True)
        return checkpoint
    if not torch_python().exists():
        msg = f"PyTorch is not installed, which training {data.name} needs; `make torch` installs it in .venv-torch"
        raise StartError(msg)
    print(f"Fine-tuning models/demo on {train} in PyTorch's environment, into {checkpoint} (once).", flush=True)
    command = [sys.executable, "-m", "export.finetune", "--model", str(BASE), "--output", str(checkpoint), "--resume"]
    command += ["--train", str(train), "--dev", str(dev), *RECIPE]
    if subprocess.run(command, cwd=ROOT, check=False).returncode:  # noqa: S603 - a fixed command
        msg = f"{data.name} was not trained; run this again to resume"
        raise StartError(msg)
    return checkpoint


def _fingerprint(*data: Path) -> str:
    """Return a digest of all that the weights depend on."""
    inputs = {
        "data": [hashlib.sha256(path.read_bytes()).hexdigest() for path in data],
        "base": find_checkpoint(str(BASE)).digests,
        "recipe": RECIPE,
    }
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:12]
