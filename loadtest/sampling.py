"""Sample a process's main-thread functions with py-spy."""

import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

RATE = 200
"""Samples a second. The process stops for each, so a higher rate would slow it down."""

_FRAME = re.compile(r"(?P<function>.+) \((?P<file>[^()]+?)(?::\d+)?\)")
_PACKAGE = re.compile(r".*/(?:site-packages/|lib/python3\.\d+/|client/|(?=deploy/))(?P<name>.+)")

# The outermost function of all other threads. Many of them wait for a lock, which py-spy takes for work.
_THREAD = "_bootstrap (threading.py"

Function = tuple[str, str]
"""A function's file and name."""


def sample(pid: int, seconds: int, folder: Path) -> Counter[Function]:
    """Return the samples of each function in the main thread.

    C functions count for the Python function that calls them.

    Raises:
        SystemExit: py-spy is missing, or may not read the process.
    """
    output = folder / f"{pid}.txt"
    program = shutil.which("py-spy")
    if program is None:
        sys.exit("py-spy is not in the PATH; install it with pip install py-spy")
    command = [program, "record", "--pid", str(pid), "--duration", str(seconds)]
    command += ["--rate", str(RATE), "--format", "raw", "--output", str(output)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    if done.returncode:
        sys.exit(f"py-spy failed: {done.stderr.strip()}")
    return parse(output.read_text(encoding="utf-8"))


def parse(stacks: str) -> Counter[Function]:
    """Return the samples of each innermost function.

    Only the main thread counts.

    Args:
        stacks: py-spy's raw format, a stack and its count on each line.
    """
    found: Counter[Function] = Counter()
    for line in stacks.splitlines():
        stack, _, count = line.rpartition(" ")
        if _THREAD in stack:
            continue
        frame = _FRAME.fullmatch(stack.rpartition(";")[2])
        if frame:
            found[_short(frame["file"]), frame["function"]] += int(count)
    return found


def packages(functions: Mapping[Function, int]) -> Counter[str]:
    """Return the samples of each package.

    Our own packages are divided by folder.
    """
    found: Counter[str] = Counter()
    for (file, _), count in functions.items():
        parts = Path(file).parts
        depth = 3 if parts[0] == "deploy" else 2 if parts[0] == "bert_mlm_client" else 1
        found["/".join(parts[:depth])] += count
    return found


def _short(file: str) -> str:
    """Return a file's path from its package."""
    match = _PACKAGE.fullmatch(file)
    return match["name"] if match else file.removeprefix("./")
