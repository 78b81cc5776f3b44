"""Test the container's health check of the gateway."""

import subprocess
import sys

from loadtest.processes import ROOT
from tests.deploy.gateway.conftest import Gateway, Start, environment


def probe(port: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "deploy.gateway.probe"]
    proxy = "http://127.0.0.1:9"  # whoever asked it would get no answer
    variables = environment(GATEWAY_PORT=str(port), http_proxy=proxy, HTTP_PROXY=proxy)
    return subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)


def test_it_succeeds_for_a_gateway_that_answers_whatever_proxies_there_are(shared: Gateway) -> None:
    done = probe(shared.port)
    assert (done.returncode, done.stdout) == (0, '{"status":"ready"}\n')


def test_it_fails_without_a_model_and_says_why(start: Start, refusing_port: int) -> None:
    gateway = start(f"grpc://127.0.0.1:{refusing_port}", "--timeout-s=1")
    gateway.ask("GET", "/healthz")  # which looks for the model now
    done = probe(gateway.port)
    assert done.returncode == 1
    assert "no connection" in done.stdout


def test_it_fails_where_nothing_listens(refusing_port: int) -> None:
    done = probe(refusing_port)
    assert done.returncode == 1
    assert f"no answer on port {refusing_port}" in done.stdout
    assert done.stderr == ""


def test_it_needs_no_key(start: Start, scripted_url: str, refusing_port: int) -> None:
    keys = {"GATEWAY_API_KEYS": "a-key-that-is-long-enough"}
    gateway = start(scripted_url, **keys)
    gateway.wait_until_ready()
    assert probe(gateway.port).returncode == 0
    gateway = start(f"grpc://127.0.0.1:{refusing_port}", "--timeout-s=1", **keys)
    gateway.ask("GET", "/healthz")
    done = probe(gateway.port)
    assert done.returncode == 1
    assert "cannot be reached" in done.stdout
