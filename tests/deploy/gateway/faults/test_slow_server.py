"""Test slow answers and timeouts of the model server."""

import socket
import socketserver
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from time import monotonic

import pytest

from deploy.gateway.report.words import ENGLISH
from loadtest.soak import Server
from tests.deploy.gateway.conftest import SENTENCE, wait_until
from tests.deploy.gateway.faults.conftest import Observe
from tests.deploy.gateway.faults.observed import questions

STAGE = 'gateway_stage_seconds_bucket{{le="{le}",stage="total",task="mask_prediction"}}'


class SlowPath(socketserver.ThreadingTCPServer):
    """A proxy that delays a server's answers."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.port = port
        self.delay_s = 0.0
        self.hurry = threading.Event()

    @property
    def url(self) -> str:
        return f"grpc://127.0.0.1:{self.server_address[1]}"

    def slow_down(self, delay_s: float) -> None:
        self.hurry.clear()
        self.delay_s = delay_s

    def speed_up(self) -> None:
        """End the delay, also for data on its way."""
        self.delay_s = 0.0
        self.hurry.set()


class _Connection(socketserver.BaseRequestHandler):
    server: SlowPath

    def handle(self) -> None:
        with socket.create_connection(("127.0.0.1", self.server.port)) as there:
            asking = threading.Thread(target=_pass_on, args=(self.request, there), daemon=True)
            asking.start()
            _pass_on(there, self.request, self.server)
            asking.join()


def _pass_on(source: socket.socket, target: socket.socket, path: SlowPath | None = None) -> None:
    """Forward bytes with the delay until one side ends."""
    arrived: SimpleQueue[tuple[float, bytes]] = SimpleQueue()
    threading.Thread(target=_receive, args=(source, arrived), daemon=True).start()
    with suppress(OSError):
        while (arrival := arrived.get())[1]:
            if path:
                path.hurry.wait(arrival[0] + path.delay_s - monotonic())
            target.sendall(arrival[1])
    for side in (source, target):
        with suppress(OSError):
            side.shutdown(socket.SHUT_RDWR)


def _receive(source: socket.socket, arrived: SimpleQueue[tuple[float, bytes]]) -> None:
    """Note when bytes come; the end is empty."""
    data = b"-"
    while data:
        try:
            data = source.recv(65536)
        except OSError:
            data = b""
        arrived.put((monotonic(), data))


@contextmanager
def slow_path(port: int) -> Iterator[SlowPath]:
    with SlowPath(port) as path:
        thread = threading.Thread(target=path.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield path
        finally:
            path.speed_up()
            path.shutdown()
            thread.join()


@pytest.fixture
def path(demo_server: Server) -> Iterator[SlowPath]:
    with slow_path(int(demo_server.grpc.rpartition(":")[2])) as path:
        yield path


def test_a_model_server_that_is_slow_appears_everywhere_until_it_is_not(observe: Observe, path: SlowPath) -> None:
    observed = observe(path.url, "--alert-latency-ms=400", "--alert-window-s=3", "--alert-min-sentences=5")
    gateway = observed.gateway
    gateway.answer("/v1/fill-mask", {"inputs": [SENTENCE]})
    assert observed.metric('gateway_alert_firing{alert="mean_latency"}') == 0

    path.slow_down(1.0)
    with questions(gateway):  # otherwise the window may become empty, and the alert end, during the checks
        gateway.answer("/v1/fill-mask", {"inputs": [SENTENCE] * 10})
        observed.wait_for_alert("mean_latency", "firing")
        slow = gateway.wait_for_lines(10, module="inference", batch_size=10)
        assert all(line["status"] == "success" and line["total_time_ms"] >= 1000 for line in slow)
        assert all(line["inference_time_ms"] >= 1000 for line in slow)  # the time is attributed to the server
        [line] = observed.log(module="alert", task="mean_latency")
        assert line["value"] > line["threshold"] == 400
        within_a_second, in_all = (observed.metric(STAGE.format(le=le)) or 0 for le in ("1.0", "+Inf"))
        assert in_all - within_a_second >= 1
        assert observed.health()[0] == 200  # slow answers are answers
        [_, together] = observed.dashboard(ENGLISH.latency)
        assert float(together["P95"].replace(",", "")) >= 1000

    path.speed_up()
    observed.wait_for_alert("mean_latency", "resolved")  # without requests, the window becomes empty
    assert not observed.log(module="inference", status="failed")


def test_a_model_server_that_is_too_slow_appears_everywhere_until_it_is_not(observe: Observe, path: SlowPath) -> None:
    observed = observe(path.url, "--timeout-s=1", "--alert-errors=2", "--alert-not-ready-s=0.5")
    gateway = observed.gateway

    path.slow_down(20)
    answers = [gateway.post("/predict", {"text": SENTENCE}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [504, 504]
    error_types = Counter(answer.json()["error_type"] for answer in answers)
    assert set(error_types) <= {"DeadlineError", "ServerTimeoutError"}  # each by the server's clock or ours
    observed.wait_for_alert("consecutive_errors", "firing")
    observed.wait_for_alert("model_not_ready", "firing")
    lines = gateway.wait_for_lines(2, module="inference", level="ERROR")
    assert Counter(line["error_type"] for line in lines) == error_types
    assert all(1000 <= line["total_time_ms"] < 5000 for line in lines)
    for error_type, count in error_types.items():
        assert observed.metric(f'gateway_errors_total{{error_type="{error_type}",task="mask_prediction"}}') == count
    status, health = observed.health()
    assert status == 503
    assert health["reason"]
    shown = {row[ENGLISH.error_type]: row[ENGLISH.count] for row in observed.dashboard(ENGLISH.errors)}
    assert shown == {error_type: str(count) for error_type, count in error_types.items()}

    path.speed_up()
    wait_until(lambda: gateway.post("/predict", {"text": SENTENCE}).status_code == 200)
    observed.wait_for_alert("consecutive_errors", "resolved")
    observed.wait_for_alert("model_not_ready", "resolved")
    assert observed.health()[0] == 200
