"""Fixtures of a real server, and of one that answers as told."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from deploy.elasticsearch.json_api import JsonApi
from tests.support.elastic import elasticsearch_alone, elasticsearch_server, namespace

__all__ = ["elasticsearch_alone", "elasticsearch_server", "namespace"]

Answers = list[tuple[int, Any]]


@pytest.fixture
def elasticsearch(elasticsearch_alone: JsonApi) -> JsonApi:
    """The server; these tests change its templates."""
    return elasticsearch_alone


@contextmanager
def _serving(answers: Answers) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, document = answers.pop(0) if len(answers) > 1 else answers[0]
            body = document if isinstance(document, bytes) else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def serving() -> Callable[[Answers], Any]:
    """Serve these answers one after the other, and the last one from then on."""
    return _serving
