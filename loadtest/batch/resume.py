"""Kill a Ray node and the command during a run.

    python -m loadtest.batch.resume --model models/bert_mlm --lines 50000

Starts two Ray nodes separately and ``python -m deploy.batch`` on them. Kills all processes of the second node (SIGKILL)
at a quarter of the lines, then the command at half of them, and repeats the command. Checks that every line is in the
output once and in order, that no committed file was written again, and that a third run asks nothing. Prints a summary
with the private memory of the workers, writes JSON, and exits with status 1 if a check fails.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from loadtest.batch.nodes import cluster, environment
from loadtest.batch.usage import Sampler, kill_tree
from loadtest.bulk import masked_lines
from loadtest.processes import ROOT, StartError

_CPUS = 2
"""CPUs of a node: one for its worker, and one where the worker of a lost node can start again."""

_POLL_S = 0.05
_WORKER = "MapWorker"
_MIN_SAMPLES = 20


@dataclass(slots=True)
class Found:
    """Findings of a run.

    Attributes:
        node_killed_at: committed lines when the second node was killed.
        command_killed_at: committed lines when the command was killed.
        seconds: duration of each run of the command.
        memory_mb: private memory of each worker, at its beginning and end.
        faults: error messages.
    """

    lines: int
    node_killed_at: int = 0
    command_killed_at: int = 0
    seconds: list[float] = field(default_factory=list)
    memory_mb: list[tuple[float, float]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def run(model: Path, lines: Sequence[str], work: Path, chunk_rows: int) -> Found:
    """Run and kill the command, and check its output.

    Raises:
        StartError: a node did not start.
    """
    found = Found(len(lines))
    source, output = work / "lines.txt", work / "answers"
    source.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    shutil.rmtree(output, ignore_errors=True)
    variables = environment()
    with cluster(work / "node", variables) as ray:
        ray.add(_CPUS)
        second = ray.add(_CPUS)
        command = [sys.executable, "-m", "deploy.batch", "--input", str(source), "--output", str(output)]
        command += ["--task", "fill", "--model", str(model), "--address", ray.address, "--chunk-rows", str(chunk_rows)]
        command += ["--workers", "2", "--threads", "1"]
        with Sampler(lambda: [node.pid for node in ray.nodes], _WORKER) as sampler:
            with _started(command, variables, work / "command.0.log", found) as process:
                _wait(process, lambda: _committed(output) >= len(lines) // 4, found)
                found.node_killed_at = _committed(output)
                kill_tree(second)
                _wait(process, lambda: _committed(output) >= len(lines) // 2, found)
                process.kill()
                process.wait()
            # Workers whose command was killed may commit what they are answering.
            found.command_killed_at = _wait_until_still(output)
            before = _written(output)
            for number in (1, 2):
                with _started(command, variables, work / f"command.{number}.log", found) as process:
                    if process.wait() != 0:
                        found.faults.append(f"run {number + 1} ended with status {process.returncode}")
                after = _written(output)
                if again := [name for name in before if before[name] != after[name]]:
                    found.faults.append(f"run {number + 1} wrote {len(again)} committed files again: {again[0]}")
                before = after
        found.memory_mb = [_ends(samples) for samples in sampler.memory_mb.values() if len(samples) >= _MIN_SAMPLES]
    found.faults += check(output, lines)
    return found


def check(output: Path, lines: Sequence[str]) -> Iterator[str]:
    """Yield a message for each missing, repeated or failed line."""
    count = 0
    for part in sorted(output.glob("part-*.jsonl")):
        for raw in part.read_bytes().splitlines():
            document = json.loads(raw)
            count += 1
            wanted = (f"lines.txt:{count}", lines[count - 1]) if count <= len(lines) else ("nothing", "")
            if (document["id"], document["text"]) != wanted:
                yield f"{part.name} has {document['id']} in place of {wanted[0]}"
                return
            if "answer" not in document:
                yield f"{document['id']}: {document['error']}"
    if count != len(lines):
        yield f"the output has {count} lines, the input {len(lines)}"
    if not (output / "_SUCCESS").is_file():
        yield "the output is not marked as complete"


@contextmanager
def _started(
    command: Sequence[str], variables: dict[str, str], log: Path, found: Found
) -> Iterator["subprocess.Popen[bytes]"]:
    begun = time.monotonic()
    with log.open("wb") as lines:
        process = subprocess.Popen(command, env=variables, cwd=ROOT, stdout=lines, stderr=lines)  # noqa: S603
        try:
            yield process
        finally:
            kill_tree(process)
            found.seconds.append(time.monotonic() - begun)


def _wait(process: "subprocess.Popen[bytes]", condition: Callable[[], bool], found: Found) -> None:
    while not condition():
        if process.poll() is not None:
            found.faults.append(f"the command ended with status {process.returncode} before it was killed")
            return
        time.sleep(_POLL_S)


def _wait_until_still(output: Path) -> int:
    """Wait 2 seconds without a commit and return the lines."""
    count = -1
    while count != (count := _committed(output)):
        time.sleep(2)
    return count


def _committed(output: Path) -> int:
    """Return the number of committed lines."""
    names = (one.name for one in (output / "_checkpoint").glob("part-*"))
    return sum(int(name.partition(".rows-")[2].partition(".")[0]) for name in names)


def _written(output: Path) -> dict[str, int]:
    return {part.name: part.stat().st_mtime_ns for part in output.glob("part-*.jsonl")}


def _ends(samples: Sequence[float]) -> tuple[float, float]:
    """Return the medians of the second and the last fifth."""
    fifth = max(1, len(samples) // 5)
    return round(median(samples[fifth : 2 * fifth]), 1), round(median(samples[-fifth:]), 1)


def screen(found: Found) -> str:
    """Format the summary as text."""
    rows = [
        ("lines", f"{found.lines:,}"),
        ("node killed", f"after {found.node_killed_at:,} lines"),
        ("command killed", f"after {found.command_killed_at:,} lines"),
        ("asked again", f"{found.lines - found.command_killed_at:,} lines in run 2, none in run 3"),
        ("seconds", ", ".join(f"{seconds:.1f}" for seconds in found.seconds)),
    ]
    for number, (begin, end) in enumerate(found.memory_mb, 1):
        rows.append((f"worker {number}", f"{begin:.0f} MB of private memory at the beginning, {end:.0f} MB at the end"))
    rows += [("wrong", fault) for fault in found.faults] or [("wrong", "nothing: every line once and in order")]
    return "\n".join(f"{name:<16}{value}" for name, value in rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Kill a node and then the command during a run."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.batch.resume", description=main.__doc__)
    parser.add_argument("--model", type=Path, default=Path("models/bert_mlm"), help="folder of versions, or a version")
    parser.add_argument("--lines", type=int, default=50_000)
    parser.add_argument("--chunk-rows", type=int, default=1024)
    parser.add_argument("--work", type=Path, default=Path("build/batch/resume"), help="where lines and answers go")
    options = parser.parse_args(arguments)
    options.work.mkdir(parents=True, exist_ok=True)
    try:
        lines = list(masked_lines(options.lines))
        found = run(options.model.resolve(), lines, options.work.resolve(), options.chunk_rows)
    except (StartError, OSError) as error:
        print(f"resume: {error}", file=sys.stderr)
        return 1
    path = options.work / "resume.json"
    path.write_text(json.dumps(asdict(found), indent=1) + "\n", encoding="utf-8")
    print(screen(found))
    print(f"Wrote {path}.")
    return 1 if found.faults else 0


if __name__ == "__main__":
    sys.exit(main())
