"""Fixtures of a real Elasticsearch, and of Kibana's API as the setup uses it."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.support.elastic import elasticsearch, elasticsearch_server, namespace

__all__ = ["elasticsearch", "elasticsearch_server", "namespace"]


@dataclass
class Kibana:
    """What a stand-in for Kibana was asked; Kibana itself cannot be installed from a package registry."""

    url: str = ""
    requests: list[tuple[str, str]] = field(default_factory=list)
    stored: dict[str, Any] = field(default_factory=dict)
    imported: list[Any] = field(default_factory=list)
    rejects: dict[str, Any] | None = None

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        self.requests.append((method, path))
        if path == "/api/status":
            return 200, {"status": {"overall": {"level": "available"}}}
        if path.startswith("/api/saved_objects/_import"):
            lines = body.split(b"\r\n\r\n", 1)[1].rsplit(b"\r\n--", 1)[0]
            self.imported = [json.loads(line) for line in lines.splitlines()]
            if self.rejects:
                return 200, {"success": False, "successCount": 0, "errors": [self.rejects]}
            return 200, {"success": True, "successCount": len(self.imported)}
        document = json.loads(body) if body else None
        if method == "GET":
            return (200, self.stored[path]) if path in self.stored else (404, {"statusCode": 404, "message": "none"})
        if (method == "POST") == (path in self.stored):
            return 409, {"statusCode": 409, "message": f"{method} {path}"}
        self.stored[path] = document
        return 200, document


@pytest.fixture
def kibana() -> Iterator[Kibana]:
    found = Kibana()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("kbn-xsrf") is None and self.command != "GET":
                status, document = 400, {"message": "Request must contain a kbn-xsrf header."}
            else:
                status, document = found.answer(self.command, self.path, body)
            content = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_GET(self) -> None:
            self.answer()

        def do_POST(self) -> None:
            self.answer()

        def do_PUT(self) -> None:
            self.answer()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        found.url = f"http://127.0.0.1:{server.server_port}"
        yield found
        server.shutdown()
        thread.join()
