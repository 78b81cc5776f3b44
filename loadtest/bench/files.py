"""Make the checkpoint and the exports that the systems serve."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from export.reference import torch_python
from loadtest.bench.checkpoint import ensure_checkpoint
from loadtest.bench.errors import BenchError
from loadtest.bench.systems import MODEL, Files
from loadtest.processes import ROOT


def prepare(folder: Path, model: Path | None, say: Callable[[str], None]) -> Files:
    """Return the files in ``folder``, making missing ones.

    Args:
        folder: where they are kept.
        model: the checkpoint to serve; None makes one of bert-base-chinese's size.
        say: prints progress.

    Raises:
        BenchError: an export failed; its messages are on standard error.
    """
    if model is None:
        say(f"Checkpoint of bert-base-chinese's size: {folder / 'checkpoint'}")
    checkpoint = ensure_checkpoint(folder / "checkpoint") if model is None else model
    files = Files(checkpoint, folder / "rival.onnx", folder / "models" / MODEL)
    if not files.rival.is_file():
        say(f"Exporting {files.rival} with PyTorch")
        prepare_rival(files)
    if not files.ctranslate2.is_dir():
        say(f"Converting the encoder for CTranslate2: {files.ctranslate2}")
        _run(
            Path(sys.executable),
            "loadtest.rivals.ctranslate2_export",
            *("--model", str(checkpoint), "--output", str(files.ctranslate2)),
        )
    for servable, precision in ((files.servable, "fp32"), (files.bf16, "bf16-compute")):
        if not (servable / "1" / "manifest.json").is_file():
            say(f"Exporting {servable / '1'}")
            output = ("--name", MODEL, "--version", "1", "--output", str(servable.parent))
            _run(Path(sys.executable), "export", "--model", str(checkpoint), "--precision", precision, *output)
    return files


def prepare_rival(files: Files) -> None:
    """Export the rival's graph.

    Raises:
        BenchError: the export failed; its messages are on standard error.
    """
    _run(torch_python(), "loadtest.rivals.export", "--model", str(files.checkpoint), "--output", str(files.rival))


def _run(python: Path, module: str, *arguments: str) -> None:
    """Run an export in a subprocess to free its memory."""
    done = subprocess.run([python, "-m", module, *arguments], cwd=ROOT, check=False)  # noqa: S603 - our own words
    if done.returncode:
        msg = f"python -m {module} failed"
        raise BenchError(msg)
