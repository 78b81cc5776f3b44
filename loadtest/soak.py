"""Check every answer under long mixed load and version swaps.

    python -m loadtest.soak --servable models/bert_mlm --minutes 30 --swaps 10      # a server of its own
    python -m loadtest.soak --rest http://HOST:8501 --grpc grpc://HOST:8500         # one that runs; no swaps, no memory

Each request is first sent alone, over REST and over gRPC; later answers are compared with that reference. Prints a
summary, writes JSON, and exits with status 1 if an answer was wrong, lost or an error.
"""

import argparse
import asyncio
import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from bert_mlm_client import BertMlmError, FillMask, ServerTimeoutError
from bert_mlm_client.transport import Answer, AsyncTransport, open_async_transport

from loadtest.findings import Findings, screen, summarise
from loadtest.mixture import Question, difference, mixture
from loadtest.processes import StartError, free_port, http, memory_mb, serve

MODEL = "bert_mlm"
_TIMEOUT_S = 30.0
_SWAP_S = 120.0
_POLL_S = 0.2
_SAMPLE_S = 1.0


@dataclass(frozen=True, slots=True)
class Server:
    """The server under test.

    Attributes:
        process: the server started here, or None.
        servable: the folder of its versions if they are swapped, or None.
    """

    rest: str
    grpc: str
    process: subprocess.Popen[bytes] | None = None
    servable: Path | None = None
    rest_port: int = 0


class Soak:
    """One run with its load, version swaps and memory samples."""

    def __init__(self, server: Server, *, minutes: float, tolerance: float) -> None:
        self._server = server
        self._tolerance = tolerance
        self._seconds = minutes * 60
        self._found = Findings()
        self._begun = 0.0

    async def run(self, connections: int, swaps: int) -> Findings:
        """Send requests over REST and gRPC and swap versions meanwhile."""
        with FillMask(self._server.grpc, model=MODEL) as client:
            questions = mixture(client.tokenizer())
        transports = [self._open(number) for number in range(connections)]
        try:
            alone = [await _ask_all(transport, questions) for transport in transports[:2]]
            self._begun = time.monotonic()
            async with asyncio.timeout(self._seconds + _SWAP_S + 2 * _TIMEOUT_S), asyncio.TaskGroup() as group:
                for number, transport in enumerate(transports):
                    group.create_task(self._ask(transport, questions, alone[number % 2], random.Random(number)))  # noqa: S311 - an order
                if self._server.process is not None:
                    group.create_task(self._watch_memory(self._server.process))
                if swaps and self._server.servable is not None:
                    group.create_task(self._swap_versions(self._server.servable, swaps))
        finally:
            for transport in transports:
                await transport.close()
        return self._found

    def _open(self, number: int) -> AsyncTransport:
        url = self._server.grpc if number % 2 else self._server.rest
        return open_async_transport(url, model=MODEL, retry=None)  # what goes wrong is to be counted

    def _elapsed(self) -> float:
        return time.monotonic() - self._begun

    async def _ask(
        self, transport: AsyncTransport, questions: Sequence[Question], alone: Sequence[Answer], order: random.Random
    ) -> None:
        while self._elapsed() < self._seconds:
            place = order.randrange(len(questions))
            request = questions[place].request
            begun = time.perf_counter()
            try:
                answer = await transport.predict(request, timeout=_TIMEOUT_S)
            except ServerTimeoutError:
                self._found.lost += 1
            except BertMlmError as error:
                self._found.errors[f"{questions[place].title}: {type(error).__name__}: {error}"[:300]] += 1
                await asyncio.sleep(_POLL_S)  # the pace of a client that retries
            else:
                taken_ms = (time.perf_counter() - begun) * 1000
                wrong = difference(request, answer, alone[place], self._tolerance)
                if wrong:
                    self._found.wrong[f"{questions[place].title}: {wrong}"] += 1
                else:
                    self._found.latencies_ms[int(self._elapsed() // 60)].append(taken_ms)

    async def _watch_memory(self, process: subprocess.Popen[bytes]) -> None:
        while self._elapsed() < self._seconds:
            if process.poll() is not None:
                self._found.faults.append(f"the server ended with status {process.returncode}")
                return
            self._found.memory_mb.append((round(self._elapsed(), 1), memory_mb(process)["rss_mb"]))
            await asyncio.sleep(_SAMPLE_S)

    async def _swap_versions(self, servable: Path, swaps: int) -> None:
        """Add copies of the newest version, evenly over the run."""
        for number in range(swaps):
            await asyncio.sleep(max(0.0, self._seconds * (number + 1) / (swaps + 1) - self._elapsed()))
            newest = max(_versions(servable))
            begun = time.monotonic()
            await asyncio.to_thread(_add_copy, servable, newest)
            if not await self._serves(newest + 1):
                self._found.faults.append(f"version {newest + 1} did not serve within {_SWAP_S:.0f} s")
                return
            self._found.swaps_s.append(round(time.monotonic() - begun, 2))
            for old in _versions(servable) - {newest + 1}:
                await asyncio.to_thread(shutil.rmtree, servable / str(old))

    async def _serves(self, version: int) -> bool:
        path = f"/v1/models/{MODEL}/versions/{version}"
        deadline = time.monotonic() + _SWAP_S
        while time.monotonic() < deadline:
            try:
                status = await asyncio.to_thread(http, self._server.rest_port, "GET", path)
            except (OSError, HTTPException):
                status = b""
            if b'"AVAILABLE"' in status:
                return True
            await asyncio.sleep(_POLL_S)
        return False


async def _ask_all(transport: AsyncTransport, questions: Sequence[Question]) -> list[Answer]:
    return [await transport.predict(question.request, timeout=_TIMEOUT_S) for question in questions]


def _versions(servable: Path) -> set[int]:
    return {int(folder.name) for folder in servable.iterdir() if folder.name.isdigit()}


def _add_copy(servable: Path, version: int) -> None:
    """Copy a version atomically.

    The copy has a non-numeric name until it is complete.
    """
    unfinished = servable / f".tmp-{version + 1}"
    shutil.copytree(servable / str(version), unfinished)
    unfinished.rename(servable / str(version + 1))


@contextmanager
def started(servable: Path, work: Path, flags: Sequence[str]) -> Iterator[Server]:
    """Serve a copy of the newest version, for swaps.

    Raises:
        StartError: the server did not start.
    """
    copy = work / MODEL
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(servable / str(max(_versions(servable))), copy / "1")
    grpc_port, rest_port = free_port(), free_port()
    arguments = ["-m", "deploy.embedded", f"--port={grpc_port}", f"--rest_api_port={rest_port}"]
    arguments += [f"--model_name={MODEL}", f"--model_base_path={copy.resolve()}", *flags]

    def ready() -> None:
        http(rest_port, "GET", f"/v1/models/{MODEL}/metadata")

    with serve(arguments, ready=ready, log=work / "server.log") as process:
        rest, grpc = f"http://127.0.0.1:{rest_port}", f"grpc://127.0.0.1:{grpc_port}"
        yield Server(rest, grpc, process, copy, rest_port)


def main(arguments: Sequence[str] | None = None) -> int:
    """Check every answer under long mixed load and version swaps."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.soak", description=main.__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--swaps", type=int, default=0, help="versions swapped under load, on a server started here")
    parser.add_argument("--tolerance", type=float, default=1e-4, help="how far an answer may be from the first one")
    parser.add_argument("--servable", type=Path, default=Path("models/bert_mlm"), help="its newest version is served")
    parser.add_argument("--rest", help="the REST API of a server that runs, with --grpc")
    parser.add_argument("--grpc", help="the gRPC API of a server that runs, with --rest")
    parser.add_argument("--work", type=Path, default=Path("build/soak"), help="where copies, log and soak.json go")
    parser.add_argument("flags", nargs="*", help="flags for the server that is started, after --")
    options = parser.parse_args(arguments)
    if (options.rest is None) != (options.grpc is None):
        parser.error("give both --rest and --grpc, or neither")
    options.work.mkdir(parents=True, exist_ok=True)

    def run(server: Server) -> Findings:
        soak = Soak(server, minutes=options.minutes, tolerance=options.tolerance)
        return asyncio.run(soak.run(options.connections, options.swaps))

    try:
        if options.rest is None:
            with started(options.servable, options.work, options.flags) as server:
                found = run(server)
        else:
            found = run(Server(options.rest, options.grpc))
    except (BertMlmError, StartError, OSError) as error:
        print(f"soak: {error}", file=sys.stderr)
        return 1
    summary = summarise(found)
    path = options.work / "soak.json"
    path.write_text(json.dumps(summary, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(screen(summary))
    print(f"Wrote {path}.")
    return 0 if found.clean else 1


if __name__ == "__main__":
    sys.exit(main())
