"""Start Ray nodes as processes of this machine."""

import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loadtest.batch.usage import kill_tree
from loadtest.processes import ROOT, StartError, free_port

_OBJECT_STORE_BYTES = 80 << 20
_START_S = 180


def environment() -> dict[str, str]:
    """Return variables for nodes and commands of one cluster."""
    return os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT / "client"), str(ROOT)]),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_worker_niceness": "0",
    }


class Cluster:
    """Nodes that were started separately.

    Attributes:
        address: the address of the first node.
        nodes: the processes, whose descendants are all of a node's processes.
    """

    def __init__(self, folder: str, log: Path, variables: dict[str, str]) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        self.nodes: list[subprocess.Popen[bytes]] = []
        self._folder, self._log, self._variables = folder, log, variables

    def add(self, cpus: int) -> "subprocess.Popen[bytes]":
        """Start a node and return its process.

        Raises:
            StartError: it ended.
        """
        arguments = ["--block", f"--num-cpus={cpus}", f"--object-store-memory={_OBJECT_STORE_BYTES}"]
        # Nodes of one machine need ports of their own for the agents of ray[default].
        arguments += [f"--dashboard-agent-listen-port={free_port()}"]
        if self.nodes:
            arguments += [f"--address={self.address}"]
        else:
            port = self.address.rpartition(":")[2]
            arguments += ["--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={self._folder}"]
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--disable-usage-stats", *arguments]
        path = self._log.with_suffix(f".{len(self.nodes)}.log")
        with path.open("w+b") as log:
            node = subprocess.Popen(command, env=self._variables, cwd=ROOT, stdout=log, stderr=log)  # noqa: S603
            self.nodes.append(node)
        self._wait_until_started(node, path)
        return node

    def _wait_until_started(self, node: "subprocess.Popen[bytes]", path: Path) -> None:
        for _ in range(_START_S * 10):
            if b"Ray runtime started" in path.read_bytes():
                return
            try:
                node.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
            break
        msg = f"a Ray node did not start; its log is {path}"
        raise StartError(msg)


@contextmanager
def cluster(log: Path, variables: dict[str, str]) -> Iterator[Cluster]:
    """Yield an empty cluster, and kill its nodes afterwards."""
    # In /tmp for short names: the path of a Unix socket has at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        started = Cluster(folder, log, variables)
        try:
            yield started
        finally:
            for node in reversed(started.nodes):
                kill_tree(node)
