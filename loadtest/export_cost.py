"""Compare the cost of an export in two checkouts.

    python -m loadtest.random_checkpoint --like FOLDER --output build/checkpoint
    git worktree add --detach build/old COMMIT
    python -m loadtest.export_cost --model build/checkpoint --old build/old

Prints wall time, CPU time (user and system, all threads) and peak memory. The two checkouts alternate, so that other
load on the machine affects both.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]

_MB = 1e6
_KIB = 1024  # the unit of ru_maxrss on Linux


@dataclass(frozen=True, slots=True)
class Cost:
    """Time and memory of one export.

    Attributes:
        wall_s: seconds from start to end.
        cpu_s: seconds of CPU time, user and system, of all threads.
        peak_mb: the largest resident set.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float

    def __str__(self) -> str:
        """Return the figures with their units."""
        return f"{self.wall_s:6.1f} s wall {self.cpu_s:6.1f} s CPU {self.peak_mb:6.0f} MB"


def measure(tree: Path, model: Path, python: Path = Path(sys.executable)) -> Cost:
    """Export a checkpoint with the code of a checkout.

    Args:
        tree: the checkout.
        model: the checkpoint's folder.
        python: the interpreter, which has the dependencies of both checkouts.

    Raises:
        subprocess.CalledProcessError: the export failed; its messages are on standard error.
    """
    with tempfile.TemporaryDirectory() as output:
        command = [str(python), "-m", "export", "--model", str(model.resolve()), "--output", output]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tree / "client"), str(tree)])}
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=tree, env=environment, stdout=subprocess.DEVNULL)  # noqa: S603
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Cost(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * _KIB / _MB)


def median(costs: Sequence[Cost]) -> Cost:
    """Return the median of each figure."""
    return Cost(*(statistics.median(getattr(cost, name) for cost in costs) for name in Cost.__slots__))


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare the cost of an export in two checkouts."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.export_cost", description=main.__doc__)
    parser.add_argument("--model", type=Path, required=True, help="the checkpoint's folder")
    parser.add_argument("--old", type=Path, required=True, help="the checkout to compare with")
    parser.add_argument("--new", type=Path, default=ROOT, help="the other checkout (default: this one)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each (default 3)")
    options = parser.parse_args(arguments)
    trees = {"old": options.old.resolve(), "new": options.new.resolve()}
    costs: dict[str, list[Cost]] = {name: [] for name in trees}
    for _ in range(options.rounds):
        for name, tree in trees.items():
            try:
                costs[name].append(measure(tree, options.model))
            except subprocess.CalledProcessError as error:
                print(f"export_cost: the export of {tree} failed with status {error.returncode}", file=sys.stderr)
                return 1
            print(f"{name:4} {costs[name][-1]}", flush=True)
    old, new = (median(costs[name]) for name in trees)
    shares = [getattr(new, name) / getattr(old, name) for name in Cost.__slots__]
    print("median of old and new, and new's share of old:")
    print(f"old  {old}\nnew  {new}\n      {shares[0]:.0%} wall       {shares[1]:.0%} CPU       {shares[2]:.0%} memory")
    return 0


if __name__ == "__main__":
    sys.exit(main())
