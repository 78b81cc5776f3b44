"""Forward requests to Elasticsearch, and reject bulk requests as an overloaded server does."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal, Self
from urllib.parse import urlsplit

REASON = {"type": "es_rejected_execution_exception", "reason": "rejected execution of coordinating operation"}


class Overload:
    """A proxy of an Elasticsearch.

    Attributes:
        rejects: what is answered with 429: nothing, each bulk request, or each item of one.
        rejected: the number of documents that were rejected.
        url: the proxy's address.
    """

    def __init__(self, url: str) -> None:
        self._address = urlsplit(url).netloc
        self.rejects: Literal["request", "items"] | None = None
        self.rejected = 0
        self.url = ""

    @contextmanager
    def run(self) -> Iterator[Self]:
        overload = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, content = overload._answer(self.command, self.path, dict(self.headers), body)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("X-Elastic-Product", "Elasticsearch")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            do_GET = do_HEAD = do_POST = do_PUT = answer  # noqa: N815 - the base class's names

            def log_message(self, *_: object) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            server.daemon_threads = True  # of connections that Filebeat keeps open
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            self.url = f"http://127.0.0.1:{server.server_port}"
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()

    def _answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        if self.rejects and path.startswith("/_bulk"):
            documents = body.count(b"\n") // 2  # an action and its document are a line each
            self.rejected += documents
            if self.rejects == "request":
                return 429, json.dumps({"error": REASON, "status": 429}).encode()
            items = [{"create": {"status": 429, "error": REASON}}] * documents
            return 200, json.dumps({"took": 1, "errors": True, "items": items}).encode()
        connection = HTTPConnection(self._address, timeout=60)
        try:
            connection.request(method, path, body or None, headers | {"Accept-Encoding": "identity"})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()
