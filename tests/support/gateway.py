"""Run gateways in a thread of this process, or in a process of their own."""

import json
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from fastapi import FastAPI

from deploy.gateway.app import create_app
from deploy.gateway.server import create_server
from deploy.gateway.settings import Settings
from tests.support.environment import ROOT, environment
from tests.support.processes import end
from tests.support.settings import settings_from
from tests.support.waiting import wait_until

_UNUSED_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""By default each new HTTP client reads all certificates of the machine, which takes 35 ms."""


@dataclass
class Gateway:
    """A running gateway.

    Attributes:
        folder: the folder of its log.
    """

    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """Send a request over a new connection."""
        with httpx2.Client(base_url=self.url, timeout=30, trust_env=False, verify=_UNUSED_TLS) as client:
            return client.request(method, path, **options)

    def post(self, path: str, document: Any, **options: Any) -> httpx2.Response:
        return self.ask("POST", path, json=document, **options)

    def answer(self, path: str, document: Any) -> Any:
        """Send a request that must succeed."""
        response = self.post(path, document)
        assert response.status_code == 200, response.text
        return response.json()

    def exchange(self, raw: bytes) -> bytes:
        """Send raw bytes and read until the gateway closes the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(raw)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def lines(self, **wanted: Any) -> list[dict[str, Any]]:
        """Return the log's lines that have these values."""
        files = sorted(path for path in self.folder.rglob("*") if path.is_file())
        lines = [json.loads(line) for path in files for line in path.read_text(encoding="utf-8").splitlines()]
        return [line for line in lines if all(line.get(name) == value for name, value in wanted.items())]

    def wait_for_lines(self, count: int, **wanted: Any) -> list[dict[str, Any]]:
        """Return the log's lines that have these values, once there are so many."""
        wait_until(lambda: len(self.lines(**wanted)) >= count)
        lines = self.lines(**wanted)
        assert len(lines) == count
        return lines

    def wait_until_ready(self) -> None:
        wait_until(lambda: self.ask("GET", "/readyz").status_code == 200)

    def metrics(self) -> dict[str, float]:
        """Return every sample by its name with labels, as Prometheus writes them."""
        lines = self.ask("GET", "/metrics").text.splitlines()
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


@contextmanager
def run_in_thread(app: FastAPI, settings: Settings | None = None) -> Iterator[str]:
    """Serve a gateway's application from a thread, with the connection limits of its settings; yield the URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = create_server(app, settings or Settings.model_construct())
    server.config.timeout_graceful_shutdown = 1  # requests that a test leaves open
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive())
        assert server.started
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)


@contextmanager
def gateway_in_thread(
    folder: Path, serving: str | Sequence[str] | None, *flags: str, **variables: str
) -> Iterator[Gateway]:
    """Run a gateway in a thread, for tests of what depends on its settings.

    Args:
        folder: an empty folder, for its log.
        serving: the model server's URL, or several; None with an engine in the gateway's process.
        flags: its command line.
        variables: its environment variables.
    """
    settings = settings_from(variables, _arguments(folder, serving, *flags))
    with run_in_thread(create_app(settings), settings) as url:
        yield Gateway(settings.log_folder, int(url.rpartition(":")[2]))


@dataclass
class GatewayProcess(Gateway):
    """A gateway in a process of its own, for tests of signals, exit status, output and environment."""

    process: subprocess.Popen[str]
    printed: list[str] = field(default_factory=list)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal; return the exit status and the standard error."""
        self.process.send_signal(number)
        status = self.process.wait(30)
        return status, self.stderr()

    def stderr(self) -> str:
        return (self.folder.parent / "stderr").read_text()


@contextmanager
def gateway_process(
    folder: Path, serving: str | Sequence[str] | None, *flags: str, **variables: str
) -> Iterator[GatewayProcess]:
    """Run a gateway in a process (see ``gateway_in_thread``)."""
    command = [sys.executable, "-m", "deploy.gateway", "serve", *_arguments(folder, serving, *flags)]
    with (folder / "stderr").open("w") as errors:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment(**variables), stdout=subprocess.PIPE, stderr=errors, text=True
        )
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        # With --log-stdout=json standard output has lines of the log, which come later than the address.
        found = re.search(r"http://127\.0\.0\.1:(\d+) ", first + (folder / "stderr").read_text())
        assert found, (first, (folder / "stderr").read_text())
        gateway = GatewayProcess(folder / "logs", int(found[1]), process, [first])
        wait_until(lambda: _answers(gateway))
        yield gateway
    finally:
        end(process)


def _arguments(folder: Path, serving: str | Sequence[str] | None, *flags: str) -> list[str]:
    urls = [serving] if isinstance(serving, str) else serving
    asking = [f"--serving-url={','.join(urls)}"] if urls else []
    return ["--port=0", *asking, f"--log-folder={folder / 'logs'}", *flags]


def _answers(gateway: Gateway) -> bool:
    with suppress(httpx2.TransportError):
        gateway.ask("GET", "/")
        return True
    return False
