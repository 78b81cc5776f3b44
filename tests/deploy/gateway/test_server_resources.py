"""Test the process that logs the resources of a model server in another container."""

import json
import signal
import subprocess
import sys
from pathlib import Path

from loadtest.processes import ROOT
from tests.deploy.gateway.conftest import environment, wait_until

SERVER = "data = bytearray(50 * 2**20); print(flush=True); input()"


def start_server(name: str) -> "subprocess.Popen[str]":
    """Start a process with a program's name that holds 50 MB."""
    command = [name, "-c", SERVER]
    process = subprocess.Popen(
        command, executable=sys.executable, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    process.stdout.readline()
    return process


def test_the_server_is_found_by_name_and_found_again_and_nothing_else_is_logged(tmp_path: Path) -> None:
    log = tmp_path / "gateway.log"
    name = f"server-{tmp_path.name}"
    variables = {"GATEWAY_LOG_FOLDER": str(tmp_path), "GATEWAY_RESOURCE_INTERVAL_S": "0.1", "GATEWAY_INSTANCE": "side"}
    command = [sys.executable, "-m", "deploy.gateway.server_resources", f"--process={name}"]

    def pids() -> list[int]:
        """Return the servers whose 50 MB were seen; the first reading may be earlier."""
        lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        return [line["pid"] for line in lines if line["memory_mb"] > 50]

    first = start_server(name)
    with subprocess.Popen(command, cwd=ROOT, env=environment(**variables)) as watching:
        wait_until(lambda: first.pid in pids())
        first.communicate("\n")
        second = start_server(name)
        wait_until(lambda: second.pid in pids())
        watching.send_signal(signal.SIGTERM)
    assert watching.returncode == 0
    second.communicate("\n")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert {(line["module"], line["process"], line["instance"]) for line in lines} == {("resource", "server", "side")}
