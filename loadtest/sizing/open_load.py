"""Open-loop load generator, run as a subprocess.

    python -m loadtest.sizing.open_load < job.json > result.json

Requests arrive as a Poisson process, independent of the answers, over as many keep-alive connections as are needed.
A latency begins when its request is due, so that a late generator shows (no coordinated omission).
"""

import asyncio
import base64
import json
import random
import selectors
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import cycle
from typing import cast

import httptools

_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class OpenJob:
    """One measurement.

    Attributes:
        port: of 127.0.0.1.
        path: target of the POST.
        bodies: requests in order, repeated.
        requests_per_s: mean rate.
        warm_up_s: duration of the uncounted warm-up.
        seconds: duration of counting.
        seed: number of the arrival sequence.
    """

    port: int
    path: str
    bodies: tuple[bytes, ...]
    requests_per_s: float
    warm_up_s: float
    seconds: float
    seed: int = 0

    def to_json(self) -> str:
        """Return the job as JSON."""
        return json.dumps({**asdict(self), "bodies": [base64.b64encode(body).decode() for body in self.bodies]})

    @classmethod
    def from_json(cls, text: str) -> "OpenJob":
        """Parse a job."""
        fields = json.loads(text)
        return cls(**{**fields, "bodies": tuple(base64.b64decode(body) for body in fields["bodies"])})


@dataclass(slots=True)
class OpenResult:
    """Answers to the requests due in the counted time.

    Attributes:
        latencies_ms: from the due time to the last byte of the answer.
        late_ms: the largest delay of a sending.
        connections: the number opened.
        errors: number of answers without status 200.
        first_error: why the first of them failed.
    """

    latencies_ms: list[float] = field(default_factory=list)
    late_ms: float = 0.0
    connections: int = 0
    errors: int = 0
    first_error: str = ""


class _Connection(asyncio.Protocol):
    """A keep-alive connection with at most one request in flight."""

    def __init__(self, idle: list["_Connection"], result: OpenResult) -> None:
        self._idle = idle
        self._result = result
        self._due: float | None = None
        self._counts = False
        self.answered = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def send(self, request: bytes, due: float, *, counts: bool) -> None:
        """Send a request that was due at a time."""
        self._parser = httptools.HttpResponseParser(self)
        self._due, self._counts = due, counts
        self.answered.clear()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        """Count the answer (called by the parser)."""
        status = self._parser.get_status_code()
        self._finish(f"HTTP {status}" if status != 200 else "")
        if self._parser.should_keep_alive():
            self._idle.append(self)
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if self in self._idle:
            self._idle.remove(self)
        self._finish(f"the server closed the connection: {exc or 'without an answer'}")

    def _finish(self, error: str) -> None:
        if self._due is None:
            return
        if error:
            self._result.errors += 1
            self._result.first_error = self._result.first_error or error
        elif self._counts:
            self._result.latencies_ms.append((time.perf_counter() - self._due) * 1000)
        self._due = None
        self.answered.set()


def _arrivals(job: OpenJob, start: float) -> Iterator[float]:
    """Yield the due times of a Poisson process.

    Given their number, they are independent and uniform. The number is the expected one, so that the rate is exact.
    """
    times = random.Random(job.seed)  # noqa: S311 - the same arrivals in every run, no secret
    counted_from, end = start + job.warm_up_s, start + job.warm_up_s + job.seconds
    for begin, until in ((start, counted_from), (counted_from, end)):
        number = round(job.requests_per_s * (until - begin))
        yield from sorted(times.uniform(begin, until) for _ in range(number))


async def run(job: OpenJob) -> OpenResult:
    """Run a job."""
    head = f"POST {job.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: "
    requests = cycle([f"{head}{len(body)}\r\n\r\n".encode() + body for body in job.bodies])
    result = OpenResult()
    idle: list[_Connection] = []
    opened: list[_Connection] = []
    start = time.perf_counter()
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(job.warm_up_s + job.seconds + _LIMIT_S):
        for due in _arrivals(job, start):
            await asyncio.sleep(due - time.perf_counter())
            if not idle:
                _, connection = await loop.create_connection(lambda: _Connection(idle, result), "127.0.0.1", job.port)
                opened.append(connection)
            else:
                connection = idle.pop()
            result.late_ms = max(result.late_ms, (time.perf_counter() - due) * 1000)
            connection.send(next(requests), due, counts=due >= start + job.warm_up_s)
        for connection in opened:
            await connection.answered.wait()
    result.connections = len(opened)
    return result


def main() -> None:
    """Run the job on standard input and print its result."""
    # select takes microseconds, epoll and uvloop's timers whole milliseconds, which would send requests in groups.
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        result = runner.run(run(OpenJob.from_json(sys.stdin.read())))
    json.dump(asdict(result), sys.stdout)


if __name__ == "__main__":
    main()
