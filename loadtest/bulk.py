"""Test ``bert-mlm fill`` on a large file, killed and resumed.

    python -m loadtest.bulk --model-base-path models/bert_mlm --lines 100000

Times the light engine alone on the first lines, in batches as the server makes them. Then starts the embedded server
with that engine, runs the command on the whole file, kills it (SIGKILL) at half of the lines, resumes it, and checks
that every line appears once, in order and with the correct answer. Prints a summary, writes JSON, and exits with status
1 if a line is wrong or lost.
"""

import argparse
import itertools
import json
import lzma
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
import psutil
from bert_mlm_client import FillMask, InProcess, Prediction
from bert_mlm_client.bulk import WINDOW

from deploy.embedded.batching.by_length import Limits
from deploy.embedded.batching.contract import cut, execute
from deploy.embedded.batching.scheduler import Task
from deploy.embedded.engines.onnx import OnnxEngine
from deploy.embedded.lifecycle.memory import tune_heap
from loadtest.processes import ROOT, StartError, cpu_s, free_port, http, serve

MODEL = "bert_mlm"
TEXTS = tuple(ROOT / "models" / "demo" / "text" / name for name in ("everyday.txt", "famous.txt", "heldout.txt"))

_SENTENCE = re.compile(r"[^。！？\t\n]+[。！？][”」』）]?")
_HAN = re.compile(r"[\u4e00-\u9fff]")
_LONGEST = 120  # characters; longer ones are usually paragraphs
_SEED = 20
_POLL_S = 0.2
_COMPARED = 100
_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class Speed:
    """Speed of the engine alone.

    Attributes:
        lines_s: lines a second.
        cpu_ms: CPU time per line, which other load changes less than lines a second.
    """

    lines_s: float
    cpu_ms: float


@dataclass(slots=True)
class Found:
    """Findings of a run.

    Attributes:
        engine: speed of the engine alone, before and after the command ran.
        killed_at: number of lines written when the command was killed.
        seconds: duration of the command until the kill and after the resume.
        command_cpu_s: CPU time of the command, both runs.
        server_cpu_s: CPU time of the server during both runs.
        rss_mb: periodic samples of the command's memory, for each run.
        faults: error messages.
    """

    lines: int
    engine: list[Speed] = field(default_factory=list)
    killed_at: int = 0
    seconds: list[float] = field(default_factory=list)
    command_cpu_s: float = 0.0
    server_cpu_s: float = 0.0
    rss_mb: list[list[float]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def command_lines_s(self) -> float:
        """Lines a second, including both starts and lost work."""
        return self.lines / sum(self.seconds)

    @property
    def ratio(self) -> float:
        """Ratio of the command's speed to the engine's."""
        return self.command_lines_s / mean(speed.lines_s for speed in self.engine)


def masked_lines(count: int, paths: Iterable[Path] = TEXTS) -> Iterator[str]:
    """Yield sentences with a random character replaced by [MASK].

    If there are fewer sentences than ``count``, they repeat with other masked characters.

    Raises:
        ValueError: the texts have no sentence.
    """
    text = "\n".join(_read(path) for path in paths)
    found = dict.fromkeys(sentence.strip() for sentence in _SENTENCE.findall(text))
    sentences = [one for one in found if len(one) <= _LONGEST and _HAN.search(one)]
    if not sentences:
        msg = "the texts have no sentence"
        raise ValueError(msg)
    chooser = random.Random(_SEED)  # noqa: S311 - the same choice everywhere, no secret
    chooser.shuffle(sentences)
    for sentence in itertools.islice(itertools.cycle(sentences), count):
        place = chooser.choice([character.start() for character in _HAN.finditer(sentence)])
        yield f"{sentence[:place]}[MASK]{sentence[place + 1 :]}"


def _read(path: Path) -> str:
    return lzma.decompress(path.read_bytes()).decode() if path.suffix == ".xz" else path.read_text(encoding="utf-8")


def time_engine(version: Path, lines: Sequence[str]) -> Speed:
    """Time the engine alone on the server's batches."""
    tune_heap()
    engine = OnnxEngine(version)
    limits = Limits()
    with FillMask(InProcess(engine)) as client:
        tokenizer = client.tokenizer()
    batches: list[Task] = []
    for start in range(0, len(lines), WINDOW):
        rows = [tokenizer.encode(line) for line in lines[start : start + WINDOW]]
        width = max(len(row.input_ids) for row in rows)
        inputs = {
            "input_ids": np.array([row.input_ids + (0,) * (width - len(row.input_ids)) for row in rows], np.int32),
            "lengths": np.array([len(row.input_ids) for row in rows], np.int32),
            "mask_positions": np.array([row.mask_positions for row in rows], np.int32),
        }
        outputs = ("token_ids", "scores")
        tasks, _ = cut("fill_mask", inputs, outputs, max_rows=limits.max_batch_size, max_tokens=limits.max_tokens)
        batches += tasks
    for batch in batches[:3]:
        execute(engine, [batch])  # the first runs allocate
    begun, cpu = time.perf_counter(), time.process_time()
    for batch in batches:
        [answer] = execute(engine, [batch])
        if isinstance(answer, Exception):
            raise answer
    cpu_ms = (time.process_time() - cpu) * 1000
    return Speed(len(lines) / (time.perf_counter() - begun), cpu_ms / len(lines))


def _time_engine_elsewhere(version: Path, lines: Sequence[str]) -> Speed:
    """Time the engine in a subprocess to free its memory."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(time_engine, version, lines).result()


def run_command(arguments: Sequence[str], output: Path, found: Found, *, kill_at: int | None) -> None:
    """Run the command, sampling its memory, until ``kill_at`` lines."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "client")}
    command = [sys.executable, "-m", "bert_mlm_client", *arguments]
    memory: list[float] = []
    cpu = 0.0
    output.touch()
    begun = time.monotonic()
    with subprocess.Popen(command, env=environment) as process, output.open("rb") as written:  # noqa: S603 - our own words
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            with suppress(psutil.Error):  # it may end meanwhile
                memory.append(watched.memory_info().rss / 1e6)
                cpu = sum(watched.cpu_times()[:2])
            if kill_at is not None:
                found.killed_at += written.read().count(b"\n")
                if found.killed_at >= kill_at:
                    process.kill()
            time.sleep(_POLL_S)
    found.seconds.append(time.monotonic() - begun)
    found.rss_mb.append(memory)
    found.command_cpu_s += cpu
    if kill_at is None and process.returncode != 0:
        found.faults.append(f"the command ended with status {process.returncode}")
    if kill_at is not None and process.returncode == 0:
        found.faults.append("the command finished before it could be killed")


def check(output: Path, lines: Sequence[str], url: str) -> Iterator[str]:
    """Yield a message for each missing, misplaced or wrong line."""
    chosen = set(random.Random(_SEED).sample(range(len(lines)), min(_COMPARED, len(lines))))  # noqa: S311 - as above
    count = 0
    with output.open("rb") as file, FillMask(url, model=MODEL) as client:
        for number, raw in enumerate(file, 1):
            document = json.loads(raw)
            count = number
            if number > len(lines) or (document["line"], document["text"]) != (number, lines[number - 1]):
                yield f"line {number} of the output is line {document['line']}: {document['text']}"
                return
            if "answer" not in document:
                yield f"line {number}: {document['error']}"
            elif number - 1 in chosen and (wrong := _difference(client.fill(lines[number - 1]), document["answer"])):
                yield f"line {number}: {wrong}"
    if count != len(lines):
        yield f"the output has {count} lines, the input {len(lines)}"


def _difference(alone: Sequence[Prediction], written: Any) -> str | None:
    """Return how an answer differs from a single request's."""
    for one, other in zip(alone, written, strict=True):
        if one.token_str != other["token_str"] or abs(one.score - other["score"]) > _TOLERANCE:
            return f"{other['token_str']} {other['score']:.6f}, alone {one.token_str} {one.score:.6f}"
    return None


def screen(found: Found) -> str:
    """Format the summary as text."""
    samples = [sample for run in found.rss_mb for sample in run]
    engine_ms = mean(speed.cpu_ms for speed in found.engine)
    server_ms, command_ms = (seconds * 1000 / found.lines for seconds in (found.server_cpu_s, found.command_cpu_s))
    rows = [
        ("lines", f"{found.lines:,}"),
        ("engine alone", f"{' and '.join(f'{speed.lines_s:,.1f}' for speed in found.engine)} lines/s"),
        ("bert-mlm fill", f"{found.command_lines_s:,.1f} lines/s, its starts and what the kill lost included"),
        ("ratio", f"{found.ratio:.3f}"),
        ("CPU for a line", f"engine alone {engine_ms:.2f} ms; server {server_ms:.2f} ms, bert-mlm {command_ms:.2f} ms"),
        ("killed", f"after {found.killed_at:,} lines" if found.killed_at else "no"),
    ]
    for number, memory in enumerate(found.rss_mb, 1):
        tenth = max(1, len(memory) // 10)
        begin, end = median(memory[tenth : 2 * tenth] or memory), median(memory[-tenth:])
        rows.append((f"memory, run {number}", f"{begin:.1f} MB at the beginning, {end:.1f} MB at the end"))
    rows.append(("memory, most", f"{max(samples):.1f} MB"))
    rows += [("wrong", fault) for fault in found.faults] or [("wrong", "nothing: every line once and in order")]
    return "\n".join(f"{name:<16}{value}" for name, value in rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Test ``bert-mlm fill`` on a large file, killed and resumed."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.bulk", description=main.__doc__)
    parser.add_argument(
        "--model-base-path", type=Path, default=Path("models/bert_mlm"), help="newest version is served"
    )
    parser.add_argument("--lines", type=int, default=100_000)
    parser.add_argument("--texts", type=Path, nargs="+", default=TEXTS, help="where sentences come from, .xz too")
    parser.add_argument("--workers", default="4", help="the command's")
    parser.add_argument("--no-kill", action="store_true", help="do not kill the command")
    parser.add_argument("--engine-lines", type=int, default=4096, help="how many lines the engine alone is timed with")
    parser.add_argument("--work", type=Path, default=Path("build/bulk"), help="where lines, answers and bulk.json go")
    options = parser.parse_args(arguments)
    options.work.mkdir(parents=True, exist_ok=True)
    versions = [folder for folder in options.model_base_path.iterdir() if folder.name.isdigit()]
    version = max(versions, key=lambda folder: int(folder.name))
    lines = list(masked_lines(options.lines, options.texts))
    found = Found(len(lines))
    source, output = options.work / "lines.txt", options.work / "answers.jsonl"
    source.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    for leftover in options.work.glob("answers.jsonl*"):
        leftover.unlink()
    try:
        found.engine.append(_time_engine_elsewhere(version, lines[: options.engine_lines]))
        with _served(options.model_base_path, options.work) as (url, server):
            cpu = cpu_s(server)
            command = ["fill", "--input", str(source), "--output", str(output), "--url", url]
            command += ["--workers", options.workers]
            if not options.no_kill:
                run_command(command, output, found, kill_at=len(lines) // 2)
                command.append("--resume")
            run_command(command, output, found, kill_at=None)
            found.server_cpu_s = cpu_s(server) - cpu
            found.faults += check(output, lines, url)
        found.engine.append(_time_engine_elsewhere(version, lines[: options.engine_lines]))
    except (StartError, OSError) as error:
        print(f"bulk: {error}", file=sys.stderr)
        return 1
    summary = {**asdict(found), "command_lines_s": found.command_lines_s, "ratio": found.ratio}
    path = options.work / "bulk.json"
    path.write_text(json.dumps(summary, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(screen(found))
    print(f"Wrote {path}.")
    return 1 if found.faults else 0


@contextmanager
def _served(base_path: Path, work: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Serve the newest version, yielding gRPC address and process."""
    grpc_port, rest_port = free_port(), free_port()
    arguments = ["-m", "deploy.embedded", f"--port={grpc_port}", f"--rest_api_port={rest_port}", "--engine=onnx"]
    arguments += [f"--model_name={MODEL}", f"--model_base_path={base_path.resolve()}"]

    def ready() -> None:
        http(rest_port, "GET", f"/v1/models/{MODEL}/metadata")

    with serve(arguments, ready=ready, log=work / "server.log") as process:
        yield f"grpc://127.0.0.1:{grpc_port}", process


if __name__ == "__main__":
    sys.exit(main())
