"""Compare ``python -m deploy.batch`` with the engine alone.

    python -m loadtest.batch.speed --model models/bert_mlm --lines 50000 --rounds 3
    python -m loadtest.batch.speed --bert-base --lines 50000

Each round runs both as processes of their own, on the same lines and with the same threads: the engine behind the
client in one process, without Ray and without files, and the command with its own local Ray. Both include their starts.
CPU time is that of all processes. ``--bert-base`` makes a random checkpoint of that size and exports it.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from deploy.batch.errors import BatchError
from deploy.batch.model import find_model
from deploy.embedded.host import cores
from loadtest.batch.nodes import environment
from loadtest.batch.usage import Sampler
from loadtest.bench.checkpoint import ensure_checkpoint
from loadtest.bulk import masked_lines
from loadtest.processes import ROOT, StartError


@dataclass(frozen=True, slots=True)
class Run:
    """Cost of one run.

    Attributes:
        seconds: its duration.
        cpu_s: CPU time of all its processes.
    """

    seconds: float
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Round:
    """Runs side by side."""

    engine: Run
    batch: Run

    @property
    def rate_ratio(self) -> float:
        """Ratio of the command's speed to the engine's."""
        return self.engine.seconds / self.batch.seconds

    @property
    def cpu_ratio(self) -> float:
        """Ratio of the command's CPU time to the engine's."""
        return self.batch.cpu_s / self.engine.cpu_s


def measure(command: Sequence[str], log: Path) -> Run:
    """Run a command and return its cost.

    Raises:
        StartError: it failed.
    """
    with log.open("wb") as lines:
        begun = time.monotonic()
        process = subprocess.Popen(command, env=environment(), cwd=ROOT, stdout=lines, stderr=lines)  # noqa: S603
        with Sampler(lambda: [process.pid]) as sampler:
            status = process.wait()
        seconds = time.monotonic() - begun
    if status != 0:
        msg = f"a command ended with status {status}; its log is {log}"
        raise StartError(msg)
    return Run(round(seconds, 2), round(sampler.cpu_s, 2))


def compare(version: Path, source: Path, work: Path, threads: int) -> Round:
    """Run the engine alone, then the command."""
    shared = [str(source), str(version), str(threads)]
    engine = measure([sys.executable, "-m", "loadtest.batch.engine_alone", *shared], work / "engine.log")
    output = work / "answers"
    shutil.rmtree(output, ignore_errors=True)
    command = [sys.executable, "-m", "deploy.batch", "--input", str(source), "--output", str(output), "--task", "fill"]
    command += ["--model", str(version), "--threads", str(threads)]
    batch = measure(command, work / "batch.log")
    return Round(engine, batch)


def bert_base(work: Path) -> Path:
    """Return a version of bert-base-chinese's size, making it if missing."""
    servable = work / "bert_base"
    if not (servable / "1").is_dir():
        checkpoint = ensure_checkpoint(work / "checkpoint")
        command = [sys.executable, "-m", "export", "--model", str(checkpoint), "--output", str(work)]
        subprocess.run([*command, "--name", "bert_base"], env=environment(), cwd=ROOT, check=True)  # noqa: S603
    return servable


def screen(lines: int, rounds: Sequence[Round]) -> str:
    """Format the rounds as a table."""
    rows = [
        f"{'':<10}{'lines/s':>12}{'':>12}{'CPU s':>12}",
        f"{'':<10}{'alone':>12}{'Ray':>12}{'alone':>12}{'Ray':>12}",
    ]
    for number, one in enumerate(rounds, 1):
        rates = [lines / one.engine.seconds, lines / one.batch.seconds]
        cells = [f"{rate:,.1f}" for rate in rates] + [f"{cost:.1f}" for cost in (one.engine.cpu_s, one.batch.cpu_s)]
        rows.append(f"round {number:<4}" + "".join(f"{cell:>12}" for cell in cells))
    rows.append(
        f"Lines a second {median(one.rate_ratio for one in rounds):.3f} times those of the engine alone, "
        f"CPU seconds {median(one.cpu_ratio for one in rounds):.3f} times (medians)."
    )
    return "\n".join(rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare the command with the engine alone."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.batch.speed", description=main.__doc__)
    parser.add_argument("--model", type=Path, default=Path("models/bert_mlm"), help="folder of versions, or a version")
    parser.add_argument("--bert-base", action="store_true", help="use random weights of bert-base-chinese's size")
    parser.add_argument("--lines", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("--work", type=Path, default=Path("build/batch/speed"), help="where lines and answers go")
    options = parser.parse_args(arguments)
    work = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    source = work / "lines.txt"
    source.write_text("".join(f"{line}\n" for line in masked_lines(options.lines)), encoding="utf-8")
    try:
        version = find_model(bert_base(work) if options.bert_base else options.model).folder
        rounds = [compare(version, source, work, options.threads) for _ in range(options.rounds)]
    except (BatchError, StartError, OSError) as error:
        print(f"speed: {error}", file=sys.stderr)
        return 1
    path = work / "speed.json"
    path.write_text(json.dumps([asdict(one) for one in rounds], indent=1) + "\n", encoding="utf-8")
    print(screen(options.lines, rounds))
    print(f"Wrote {path}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
