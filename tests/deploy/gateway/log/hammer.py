"""Write many lines from several processes and threads during rotation and SIGTERM.

Run it from the root: ``python -m tests.deploy.gateway.log.hammer --lines 200000``. Every process counts what it was
told to have accepted, then all files are read: each accepted line must be there once, whole, and nothing else.
"""

import argparse
import gzip
import json
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from deploy.gateway.log.lines import Inference
from deploy.gateway.log.request_log import RequestLog
from deploy.gateway.log.rotation import Rotation, rotated
from deploy.gateway.log.writer import LogWriter

ROOT = Path(__file__).parents[4]
THREADS = 4
TEXTS = (
    "中国的首[MASK]是北京。",
    "第一行\n第二行\u2028第三行[MASK]",
    "生活就像一盒[MASK]克力，" * 40,
    "电话13812345678，[MASK]。",
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a run.

    Attributes:
        accepted: lines that the writers accepted.
        found: lines in the files.
        missing: accepted lines that are not in the files.
        foreign: duplicate or unknown lines.
        unreadable: lines that are not JSON objects.
        files: the number of files.
        terminated: the number of processes ended by SIGTERM.
        seconds: the duration of the writing.
    """

    accepted: int
    found: int
    missing: int
    foreign: int
    unreadable: int
    files: int
    terminated: int
    seconds: float

    @property
    def is_flawless(self) -> bool:
        """Whether the files contain exactly the accepted lines."""
        return self.accepted == self.found and not (self.missing or self.foreign or self.unreadable)


def hammer(
    log: Path, *, lines: int, processes: int, rotate_s: float, terminate_s: float, lines_per_s: float, compress: bool
) -> Outcome:
    """Write a number of lines or a few more, and check the files.

    Args:
        log: the file to write.
        lines: the number of lines.
        processes: the number of processes, with four threads each.
        rotate_s: the interval of rotations.
        terminate_s: the interval at which a process gets SIGTERM and is replaced.
        lines_per_s: the rate of each process.
        compress: whether rotated files are compressed.
    """
    start = time.monotonic()
    accepted: Counter[str] = Counter()
    terminated = 0
    chance = random.Random(1)
    with ExitStack() as stack:

        def begin(number: int) -> "subprocess.Popen[str]":
            process = _start(log, number, rotate_s, lines_per_s, compress=compress)
            stack.callback(process.kill)
            return process

        running = [begin(number) for number in range(processes)]
        while running:
            time.sleep(terminate_s)
            accepted.update(_end(running.pop(chance.randrange(len(running)))))
            terminated += 1
            if accepted.total() < lines or terminated <= processes:  # each has a successor, however slow the machine
                running.append(begin(processes + terminated))
    return _compare(log, accepted, terminated, time.monotonic() - start)


def _start(log: Path, number: int, rotate_s: float, lines_per_s: float, *, compress: bool) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.deploy.gateway.log.hammer", "--log", str(log), "--worker", str(number)]
    command += ["--rotate-s", str(rotate_s), "--lines-per-s", str(lines_per_s)]
    command += ["--compress"] if compress else []
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process


def _end(process: "subprocess.Popen[str]") -> dict[str, int]:
    """End a process and return how many lines of each of its threads were accepted."""
    process.send_signal(signal.SIGTERM)
    told, _ = process.communicate(timeout=60)
    assert process.returncode == 0, f"a process ended with status {process.returncode}"
    accepted: dict[str, int] = json.loads(told)
    return accepted


def _compare(log: Path, accepted: Counter[str], terminated: int, seconds: float) -> Outcome:
    files = [*rotated(log), log]
    wanted = Counter({f"{thread}-{number}" for thread, lines in accepted.items() for number in range(lines)})
    there: Counter[str] = Counter()
    unreadable = 0
    for text in (text for file in files for text in _lines(file)):
        try:
            there[json.loads(text)["request_id"]] += 1
        except (ValueError, TypeError, KeyError):
            unreadable += 1
    return Outcome(
        accepted=wanted.total(),
        found=there.total() + unreadable,
        missing=(wanted - there).total(),
        foreign=(there - wanted).total(),
        unreadable=unreadable,
        files=len(files),
        terminated=terminated,
        seconds=seconds,
    )


def _lines(file: Path) -> Iterator[bytes]:
    with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as lines:
        for text in lines:
            yield text if text.endswith(b"\n") else b"torn: " + text


def _work(log: Path, number: int, rotation: Rotation, lines_per_s: float) -> None:
    """Write until SIGTERM, then tell how many lines of each thread were accepted."""
    stop = threading.Event()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # it is waited for, and interrupts nothing
    accepted: dict[str, int] = {}
    with LogWriter(log, rotation=rotation) as writer:
        request_log = RequestLog(writer)
        threads = [
            threading.Thread(
                target=_write, args=(request_log, f"{number}-{thread}", lines_per_s / THREADS, stop, accepted)
            )
            for thread in range(THREADS)
        ]
        for thread in threads:
            thread.start()
        print("ready", flush=True)
        signal.sigwait({signal.SIGTERM})
        stop.set()
        for thread in threads:
            thread.join()
    lost = writer.status.lines_lost
    if lost:
        sys.exit(f"lines were lost: {lost}")
    print(json.dumps(accepted))


def _write(
    request_log: RequestLog, name: str, lines_per_s: float, stop: threading.Event, accepted: dict[str, int]
) -> None:
    start = time.monotonic()
    for number in count():
        if stop.is_set():
            break
        line = Inference(
            task="mask_prediction",
            status="success",
            request_id=f"{name}-{number}",
            model_name="bert_mlm",
            model_version=1,
            batch_size=1,
            input_text=TEXTS[number % len(TEXTS)],
            predicted_token="都",
            score=0.98,
            total_time_ms=12.5,
        )
        request_log.write(line)
        accepted[name] = number + 1
        ahead_s = number / lines_per_s - (time.monotonic() - start)
        if ahead_s > 0:
            stop.wait(ahead_s)


def main() -> None:
    """Read the arguments and do it."""
    parser = argparse.ArgumentParser(prog="python -m tests.deploy.gateway.log.hammer", description=__doc__)
    parser.add_argument("--lines", type=int, default=200_000, help="how many lines, at least (200000)")
    parser.add_argument("--processes", type=int, default=4, help="how many processes write at a time (4)")
    parser.add_argument("--rotate-s", type=float, default=1.0, help="seconds between rotations (1)")
    parser.add_argument("--terminate-s", type=float, default=1.0, help="seconds between SIGTERMs (1)")
    parser.add_argument("--lines-per-s", type=float, default=2000.0, help="lines a second and process (2000)")
    parser.add_argument("--compress", action="store_true", help="compress rotated files")
    parser.add_argument("--log", type=Path, help="the file to write (one in a temporary folder)")
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker is not None:
        rotation = Rotation(interval_s=given.rotate_s, keep=1_000_000, compress=given.compress)
        _work(given.log, given.worker, rotation, given.lines_per_s)
        return
    with tempfile.TemporaryDirectory() as folder:
        outcome = hammer(
            given.log or Path(folder) / "gateway.log",
            lines=given.lines,
            processes=given.processes,
            rotate_s=given.rotate_s,
            terminate_s=given.terminate_s,
            lines_per_s=given.lines_per_s,
            compress=given.compress,
        )
    print(outcome)
    sys.exit(not outcome.is_flawless)


if __name__ == "__main__":
    main()
