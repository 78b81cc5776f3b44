"""Closed-loop load generator, run as a subprocess.

    python -m loadtest.bench.load < job.json > result.json

Each connection sends the next prebuilt request as soon as it has its answer: HTTP/1.1 over raw sockets and httptools,
gRPC as bytes in and out. Only the status and the size of an answer are checked. Through the thin client, this process
tokenizes sentences and parses answers, with one client shared by all connections, as in a service. Requests in flight
at the end are awaited and not counted, so that the next measurement begins on an idle server.
"""

import asyncio
import base64
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, Literal, cast

import grpc
import httptools
import uvloop
from bert_mlm_client import AsyncFillMask, BertMlmError

from loadtest.questions import PREDICT

_LIMIT_S = 120.0
_LONGEST_S = 60.0


@dataclass(frozen=True, slots=True)
class Job:
    """One measurement for the load generator.

    Attributes:
        protocol: ``http``, ``grpc``, or ``client`` for the thin client over gRPC.
        port: of 127.0.0.1.
        path: target of the POST; unused for gRPC, which calls Predict.
        bodies: requests in order, each connection starts at a different one; sentences for the client.
        connections: number of concurrent connections; the client shares one among as many workers.
        warm_up_s: duration of the uncounted warm-up.
        seconds: duration of counting; extended up to ``_LONGEST_S`` until every connection could have two answers.
    """

    protocol: Literal["http", "grpc", "client"]
    port: int
    path: str
    bodies: tuple[bytes, ...]
    connections: int
    warm_up_s: float
    seconds: float

    def to_json(self) -> str:
        """Return the job as JSON."""
        return json.dumps({**asdict(self), "bodies": [base64.b64encode(body).decode() for body in self.bodies]})

    @classmethod
    def from_json(cls, text: str) -> "Job":
        """Parse a job."""
        fields = json.loads(text)
        return cls(**{**fields, "bodies": tuple(base64.b64decode(body) for body in fields["bodies"])})


@dataclass(slots=True)
class Result:
    """Answers and errors within the counted time.

    Attributes:
        latencies_ms: from sending a request to the last byte of its answer.
        counted_s: length of the counted time.
        answer_bytes: of all answers, without HTTP's or gRPC's headers.
        errors: the first ten error messages.
        error_count: number of all errors.
        cpu_s: CPU time of this process, warm-up included.
        asked: requests sent in total.
    """

    latencies_ms: list[float] = field(default_factory=list)
    counted_s: float = 0.0
    answer_bytes: int = 0
    errors: list[str] = field(default_factory=list)
    error_count: int = 0
    cpu_s: float = 0.0
    asked: int = 0


class _MeasurementWindow:
    """Decide when requests are sent and when they count."""

    def __init__(self, job: Job, result: Result) -> None:
        self._result = result
        self._enough = 2 * job.connections
        self._from = time.perf_counter() + job.warm_up_s
        self._until = self._from + job.seconds
        self._limit = max(self._until, self._from + _LONGEST_S)
        result.counted_s = job.seconds

    def runs(self) -> bool:
        """Return whether there is time for another request."""
        now = time.perf_counter()
        found = len(self._result.latencies_ms) + self._result.error_count
        return now < self._until or (found < self._enough and now < self._limit)

    def answered(self, begun: float, size: int) -> None:
        """Count an answer."""
        now = time.perf_counter()
        self._result.asked += 1
        if now >= self._from and self.runs():
            self._result.latencies_ms.append((now - begun) * 1000)
            self._result.answer_bytes += size
            self._result.counted_s = max(self._result.counted_s, now - self._from)

    def failed(self, why: str) -> None:
        """Count an error, during the warm-up too."""
        self._result.asked += 1
        self._result.error_count += 1
        if len(self._result.errors) < 10:
            self._result.errors.append(why[:300])


class _HttpConnection(asyncio.Protocol):
    """One HTTP/1.1 connection with one request in flight."""

    def __init__(self, requests: Iterator[bytes], window: _MeasurementWindow) -> None:
        self._requests = requests
        self._window = window
        self._transport: asyncio.WriteTransport | None = None
        self._begun = 0.0
        self._size = 0
        self._start = b""
        self.finished: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.finished.done():
            self._window.failed(f"the server closed the connection: {exc or 'without an answer'}")
            self._finish(again=self._window.runs())

    def on_body(self, body: bytes) -> None:
        """Count a piece of the answer (called by the parser)."""
        self._size += len(body)
        if not self._start:
            self._start = body[:200]

    def on_message_complete(self) -> None:
        """Count the answer and send the next request.

        The parser calls this.
        """
        status = self._parser.get_status_code()
        if status == 200:
            self._window.answered(self._begun, self._size)
        else:
            self._window.failed(f"HTTP {status}: {self._start.decode(errors='replace')}")
        if not self._window.runs():
            self._finish(again=False)
        elif self._parser.should_keep_alive():
            self._send()
        else:
            self._finish(again=True)

    def _send(self) -> None:
        assert self._transport is not None  # noqa: S101 - nothing is sent before connection_made
        self._parser = httptools.HttpResponseParser(self)
        self._size, self._start = 0, b""
        self._begun = time.perf_counter()
        self._transport.write(next(self._requests))

    def _finish(self, *, again: bool) -> None:
        self.finished.set_result(again)
        if self._transport is not None:
            self._transport.close()


async def _ask_http(job: Job, requests: Iterator[bytes], window: _MeasurementWindow) -> None:
    """Send requests over one connection, reconnecting when it is closed."""
    again = True
    while again:
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: _HttpConnection(requests, window), "127.0.0.1", job.port
        )
        again = await connection.finished


async def _ask_grpc(job: Job, requests: Iterator[bytes], window: _MeasurementWindow) -> None:
    """Send requests over one gRPC channel with its own connection."""
    options = (("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1))
    async with grpc.aio.insecure_channel(f"127.0.0.1:{job.port}", options) as channel:
        predict = channel.unary_unary(PREDICT, None, None)
        while window.runs():
            begun = time.perf_counter()
            try:
                answer = await predict(next(requests), timeout=_LIMIT_S)
            except grpc.aio.AioRpcError as error:
                window.failed(f"{error.code().name}: {error.details()}")
            else:
                window.answered(begun, len(answer))


async def _ask_client(client: AsyncFillMask, requests: Iterator[bytes], window: _MeasurementWindow) -> None:
    """Send requests through a client."""
    while window.runs():
        text = next(requests).decode()
        begun = time.perf_counter()
        try:
            await client.fill(text, timeout=_LIMIT_S)
        except BertMlmError as error:
            window.failed(f"{type(error).__name__}: {error}")
        else:
            window.answered(begun, 0)


@asynccontextmanager
async def _open(job: Job) -> AsyncIterator[Callable[[Iterator[bytes], _MeasurementWindow], Coroutine[Any, Any, None]]]:
    """Yield the coroutine that drives one connection."""
    if job.protocol == "client":
        async with AsyncFillMask(f"grpc://127.0.0.1:{job.port}") as client:
            await client.tokenizer()  # fetch the vocabulary before the timed part
            yield partial(_ask_client, client)
    else:
        yield partial(_ask_http if job.protocol == "http" else _ask_grpc, job)


def _in_turn(bodies: Sequence[bytes], first: int) -> Iterator[bytes]:
    """Cycle through the bodies, starting at ``first``."""
    while True:
        yield from bodies[first:]
        yield from bodies[:first]


def _http_request(job: Job, body: bytes) -> bytes:
    head = f"POST {job.path} HTTP/1.1\r\nHost: 127.0.0.1:{job.port}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def run(job: Job) -> Result:
    """Run a job."""
    http = job.protocol == "http"
    bodies = [_http_request(job, body) if http else body for body in job.bodies]
    result = Result()
    async with _open(job) as ask:
        window = _MeasurementWindow(job, result)
        used = time.process_time()
        limit_s = job.warm_up_s + max(job.seconds, _LONGEST_S) + _LIMIT_S
        async with asyncio.timeout(limit_s), asyncio.TaskGroup() as group:
            for number in range(job.connections):
                first = number * len(bodies) // job.connections
                group.create_task(ask(_in_turn(bodies, first), window))
        result.cpu_s = time.process_time() - used
    return result


def main() -> None:
    """Run the job on standard input and print its result."""
    job = Job.from_json(sys.stdin.read())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result: dict[str, Any] = asdict(runner.run(run(job)))
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
