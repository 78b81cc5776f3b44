"""Run the light engine for arm64 under emulation.

    python -m loadtest.arm64 --root ROOT --packages FOLDER --version models/bert_mlm/1

Imports the engine, loads a version and answers one sentence: here, and with an arm64 Python under qemu. Both must give
the same tokens and nearly the same scores. ROOT has Debian's packages of that Python, FOLDER the light group's wheels
for it; deploy/embedded/README.md has the commands. QEMU 10.0 runs ONNX Runtime; 7.2 crashes as it reads the
processor's caches.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[1]
_PROBE = "probe"
_LIBRARIES = ("lib/aarch64-linux-gnu", "usr/lib/aarch64-linux-gnu")
_TOLERANCE = 1e-3
_LIMIT_S = 300


class EmulationError(Exception):
    """The emulated engine gave no answer."""


def probe(version: Path) -> dict[str, Any]:
    """Import the engine, load a version and answer one sentence."""
    begun = time.perf_counter()
    import platform

    import numpy as np

    from deploy.embedded.engines.onnx import OnnxEngine

    imported = time.perf_counter()
    engine = OnnxEngine(version, threads=1)
    loaded = time.perf_counter()
    inputs = {
        "input_ids": np.array([[2, 5, 6, 4, 8, 3]], np.int32),
        "lengths": np.array([6], np.int32),
        "mask_positions": np.array([[3]], np.int32),
    }
    answer = engine.run("fill_mask", inputs, ("token_ids", "scores"))
    answered = time.perf_counter()
    return {
        "machine": platform.machine(),
        "import_s": round(imported - begun, 2),
        "load_s": round(loaded - imported, 2),
        "answer_s": round(answered - loaded, 3),
        "token_ids": answer["token_ids"][0, 0, :5].tolist(),
        "scores": answer["scores"][0, 0, :5].tolist(),
    }


def emulate(qemu: str, root: Path, packages: Path, version: Path) -> dict[str, Any]:
    """Run the probe with the arm64 Python in ``root``.

    Raises:
        EmulationError: something is missing, or the engine crashed.
    """
    python = root / "usr" / "bin" / "python3.11"
    if not python.is_file():
        msg = f"{python} is missing; unpack Debian's arm64 packages into {root}, see deploy/embedded/README.md"
        raise EmulationError(msg)
    libraries = ":".join(str(root / folder) for folder in _LIBRARIES)
    # -S: no site-packages of Debian; the wheels are in PYTHONPATH.
    command = [qemu, "-L", str(root), "-E", f"LD_LIBRARY_PATH={libraries}", str(python), "-S"]
    command += ["-m", "loadtest.arm64", _PROBE, str(version)]
    paths = [packages, _ROOT, _ROOT / "client"]
    return _run(command, {"PYTHONPATH": os.pathsep.join(str(path.resolve()) for path in paths)})


def _run(command: Sequence[str], environment: Mapping[str, str]) -> dict[str, Any]:
    settings = {**os.environ, "ORT_DISABLE_TELEMETRY": "1", "PYTHONDONTWRITEBYTECODE": "1", **environment}
    try:
        done = subprocess.run(  # noqa: S603 - our own words
            command, cwd=_ROOT, env=settings, capture_output=True, text=True, check=False, timeout=_LIMIT_S
        )
    except OSError as error:
        msg = f"{command[0]} cannot be run ({error.strerror}); install qemu-user 10.0 or newer"
        raise EmulationError(msg) from error
    except subprocess.TimeoutExpired as error:
        msg = f"{command[0]} gave no answer in {_LIMIT_S} s"
        raise EmulationError(msg) from error
    if done.returncode:
        why = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        msg = f"the engine failed under {command[0]}: {why}"
        raise EmulationError(msg)
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def differences(here: Mapping[str, Any], there: Mapping[str, Any]) -> list[str]:
    """Return what differs between two probes' answers."""
    found = []
    if here["token_ids"] != there["token_ids"]:
        found.append(f"tokens {there['token_ids']} instead of {here['token_ids']}")
    furthest = max(abs(one - other) for one, other in zip(here["scores"], there["scores"], strict=True))
    if furthest > _TOLERANCE:
        found.append(f"scores differ by {furthest:.2g}")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the light engine for arm64 under emulation."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == [_PROBE]:
        print(json.dumps(probe(Path(given[1]))))
        return 0
    parser = argparse.ArgumentParser(prog="python -m loadtest.arm64", description=main.__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder with the unpacked arm64 packages of Debian")
    parser.add_argument("--packages", type=Path, required=True, help="folder with the unpacked arm64 wheels")
    parser.add_argument("--version", type=Path, required=True, help="an exported version")
    parser.add_argument("--qemu", default="qemu-aarch64", help="the emulator (default: qemu-aarch64)")
    options = parser.parse_args(given)
    try:
        here = _run([sys.executable, "-m", "loadtest.arm64", _PROBE, str(options.version.resolve())], {})
        there = emulate(options.qemu, options.root.resolve(), options.packages, options.version.resolve())
    except EmulationError as error:
        print(f"arm64: {error}", file=sys.stderr)
        return 1
    for one in (here, there):
        print(json.dumps(one))
    wrong = differences(here, there)
    print("; ".join(wrong) or "The same tokens, and the same scores within the tolerance.")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
