"""Measure an engine's peak memory in a separate process.

    python -m loadtest.bench.peaks ENGINE PATH

prints the megabytes after loading and a few runs. ENGINE is one of ``ENGINES``, PATH its model. Python and the
engine's imports are included.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from deploy.embedded.engines import Engine
from loadtest.bench.errors import BenchError
from loadtest.processes import ROOT

_RUNS = 20
_IDS = np.ones((1, 16), np.int32)
_STATUS = Path("/proc/self/status")

Run = Callable[[], object]


def peaks_mb(paths: Mapping[str, Path]) -> dict[str, float]:
    """Return each engine's peak memory.

    Empty where the system does not report it.

    Args:
        paths: what each engine loads.

    Raises:
        BenchError: an engine failed.
    """
    if not _STATUS.is_file():
        return {}
    return {engine: _measure(engine, path) for engine, path in paths.items()}


def _measure(engine: str, path: Path) -> float:
    command = [sys.executable, "-m", "loadtest.bench.peaks", engine, str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    if done.returncode:
        msg = f"measuring the memory of {engine} failed: {done.stderr.strip().splitlines()[-1]}"
        raise BenchError(msg)
    return float(done.stdout)


def _onnx(version: Path) -> Run:
    from deploy.embedded.engines.onnx import OnnxEngine

    return _fill_mask(OnnxEngine(version))


def _tensorflow(version: Path) -> Run:
    from deploy.embedded.engines.tensorflow import TensorFlowEngine

    return _fill_mask(TensorFlowEngine(version))


def _fill_mask(engine: Engine) -> Run:
    inputs = {
        "input_ids": _IDS,
        "lengths": np.full(1, _IDS.size, np.int32),
        "mask_positions": np.ones((1, 1), np.int32),
    }
    return lambda: engine.run("fill_mask", inputs, ("token_ids", "scores"))


def _ctranslate2(folder: Path) -> Run:
    from loadtest.rivals.ctranslate2_encoder import load_encoder

    encode = load_encoder(folder, os.cpu_count() or 1)
    return lambda: encode(_IDS)


ENGINES = {"onnx": _onnx, "tensorflow": _tensorflow, "ctranslate2": _ctranslate2}


def main(arguments: Sequence[str]) -> None:
    """Run an engine and print this process's peak memory."""
    engine, path = arguments
    run = ENGINES[engine](Path(path))
    for _ in range(_RUNS):
        run()
    # Not getrusage, whose maximum includes the parent's memory before exec.
    [line] = [line for line in _STATUS.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM")]
    print(round(int(line.split()[1]) * 1024 / 1e6, 1))


if __name__ == "__main__":
    main(sys.argv[1:])
