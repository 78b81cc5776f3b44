"""Fixtures of a webhook receiver in a thread."""

import contextlib
import json
import ssl
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Reply:
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"{}"


@dataclass(frozen=True)
class Received:
    path: str
    headers: Mapping[str, str]
    document: Any


class Receiver:
    """Records notices; its port is bound at once, and refuses connections until it listens."""

    def __init__(self, certificate: Path | None = None) -> None:
        self.received: list[Received] = []
        self.replies: deque[Reply] = deque()
        self.gate = threading.Event()
        self.gate.set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                receiver.received.append(Received(self.path, dict(self.headers), document))
                receiver.gate.wait(30)
                reply = receiver.replies.popleft() if receiver.replies else Reply()
                self.send_response(reply.status)
                for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply.body)

            def log_message(self, *_args: object) -> None:
                pass

            def handle(self) -> None:
                with contextlib.suppress(ConnectionError):  # the sender has disconnected, as intended
                    super().handle()

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
        self._server.daemon_threads = True
        self._server.server_bind()
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self.port = self._server.server_address[1]
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{self.port}/hook/secret-in-path"

    def listen(self) -> None:
        self._server.server_activate()
        self._thread.start()

    def close(self) -> None:
        self.gate.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join(30)
        self._server.server_close()


@pytest.fixture
def deaf_receiver() -> Iterator[Receiver]:
    """Return a receiver that does not listen yet."""
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def receiver(deaf_receiver: Receiver) -> Receiver:
    deaf_receiver.listen()
    return deaf_receiver
