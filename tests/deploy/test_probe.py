"""Run the health check against servers that answer, fail or hang."""

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

PROBE = Path(__file__).parents[2] / "deploy/serving/probe.sh"
BASH = shutil.which("bash")

pytestmark = pytest.mark.skipif(BASH is None, reason="the probe is a bash script, and there is no bash")


def status(*states: str, error_code: str = "OK", indent: int | None = 1) -> bytes:
    """TensorFlow Serving's answer for versions in these states."""
    versions = [
        {"version": str(number), "state": state, "status": {"error_code": error_code, "error_message": ""}}
        for number, state in enumerate(states, start=1)
    ]
    return json.dumps({"model_version_status": versions}, indent=indent).encode()


@contextmanager
def serving(body: bytes) -> Iterator[int]:
    """A server that knows the model bert_mlm and answers for it with this body."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path == "/v1/models/bert_mlm"
            self.send_response(200 if known else 404)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body if known else b'{"error": "Could not find any versions of model"}')

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def probe(port: int, model: str = "bert_mlm", seconds: str = "3", **options: str) -> "subprocess.CompletedProcess[str]":
    assert BASH is not None
    command = [BASH, str(PROBE), model, str(port), seconds]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, env=options or None)


@pytest.mark.parametrize("indent", [None, 1, 4])
def test_a_model_that_is_available_is_healthy_however_the_answer_is_indented(indent: int | None) -> None:
    with serving(status("AVAILABLE", indent=indent)) as port:
        result = probe(port)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_one_available_version_is_enough_while_another_is_unloaded() -> None:
    with serving(status("END", "AVAILABLE")) as port:
        assert probe(port).returncode == 0


@pytest.mark.parametrize("state", ["START", "LOADING", "UNLOADING", "END"])
def test_a_model_in_another_state_is_unhealthy_and_the_probe_says_so(state: str) -> None:
    with serving(status(state)) as port:
        result = probe(port)
    assert result.returncode == 1
    assert result.stdout == f"no version of bert_mlm is AVAILABLE on port {port}\n"


def test_the_error_code_unavailable_is_not_taken_for_the_state_available() -> None:
    with serving(status("END", error_code="UNAVAILABLE")) as port:
        assert probe(port).returncode == 1


def test_an_unknown_model_is_unhealthy() -> None:
    with serving(status("AVAILABLE")) as port:
        assert probe(port, "another").returncode == 1


def test_a_port_that_nobody_listens_on_is_unhealthy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    result = probe(port)
    assert result.returncode == 1
    assert result.stderr == ""


def test_a_server_that_accepts_and_says_nothing_is_unhealthy_within_the_time_given() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        result = probe(silent.getsockname()[1], seconds="0.5")
    assert (result.returncode, result.stderr) == (1, "")
    assert time.monotonic() - start < 2


def test_a_server_that_hangs_up_without_an_answer_is_unhealthy() -> None:
    def hang_up() -> None:
        connection, _ = rude.accept()
        connection.close()

    with socket.create_server(("127.0.0.1", 0)) as rude:
        rude.settimeout(10)
        thread = threading.Thread(target=hang_up)
        thread.start()
        assert probe(rude.getsockname()[1]).returncode == 1
        thread.join()


def test_the_probe_needs_nothing_that_the_image_lacks(tmp_path: Path) -> None:
    for name in ("bash", "grep", "timeout"):
        found = shutil.which(name)
        assert found is not None
        (tmp_path / name).symlink_to(found)
    with serving(status("AVAILABLE")) as port:
        assert probe(port, PATH=str(tmp_path)).returncode == 0
