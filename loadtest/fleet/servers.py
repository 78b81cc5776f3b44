"""Run the servers of a fleet and disturb them."""

import json
import shutil
import signal
import subprocess
import threading
import time
from contextlib import ExitStack, suppress
from http.client import HTTPException
from pathlib import Path
from typing import Self

from loadtest.failover import MODEL, MONITORING, count_answers
from loadtest.fleet.network import Network, call_in, prefix_of
from loadtest.processes import StartError, http, serve

GRPC_PORT, REST_PORT = 8500, 8501
"""The ports of each server at its own address."""

_PERIOD_S = 0.1  # the default period of the kernel's CPU limits (cpu.max)
_ROLL_S = 60.0
_POLL_S = 0.1


class FleetServer:
    """A server in its own namespace.

    Args:
        network: the network that connects it.
        number: its number there, from 0.
        version: folder of a version, which is copied to its own folder of versions.
        work: folder for its versions, which are deleted at the end, and its log.
    """

    def __init__(self, network: Network, number: int, version: Path, work: Path) -> None:
        self._network = network
        self._number = number
        self._namespace = network.servers[number]
        self._versions = work / f"server{number + 1}" / MODEL
        self._log = work / f"server{number + 1}.log"
        shutil.rmtree(self._versions, ignore_errors=True)
        shutil.copytree(version, self._versions / "1")
        self._arguments = ["-m", "deploy.embedded", "--host=0.0.0.0", f"--port={GRPC_PORT}", "--engine=onnx"]
        self._arguments += [f"--rest_api_port={REST_PORT}", "--tensorflow_intra_op_parallelism=1"]
        self._arguments += [f"--model_name={MODEL}", f"--model_base_path={self._versions.resolve()}"]
        self._arguments += [f"--monitoring_config_file={MONITORING}"]
        self._running = ExitStack()
        self._process: subprocess.Popen[bytes] | None = None
        self._throttle: _Throttle | None = None

    def start(self) -> None:
        """Start the server and wait until its model is available.

        Raises:
            StartError: it did not start.
        """
        self._process = self._running.enter_context(
            serve(
                self._arguments,
                ready=lambda: self._get(f"/v1/models/{MODEL}/metadata"),
                log=self._log,
                prefix=prefix_of(self._namespace),
            )
        )

    def stop(self) -> None:
        """Stop the server with SIGTERM, finishing requests in flight."""
        self._running.close()
        self._process = None

    def kill(self) -> None:
        """Kill the server with SIGKILL."""
        if self._process is not None:
            self._process.kill()
        self.stop()

    def cut_off(self) -> None:
        """Drop all packets from and to the server."""
        self._network.cut_off(self._number)

    def reconnect(self) -> None:
        """Forward its packets again."""
        self._network.reconnect(self._number)

    def slow_down(self, share: float = 0.2) -> None:
        """Limit the server to a share of each 100 ms.

        It is suspended for the rest, as a container at its CPU limit.
        """
        if self._process is not None:
            self._throttle = _Throttle(self._process, share)

    def speed_up(self) -> None:
        """End `slow_down`."""
        if self._throttle is not None:
            self._throttle.end()
            self._throttle = None

    def roll(self) -> None:
        """Roll to a copy of its version.

        Returns when only the copy serves.

        Raises:
            StartError: it does not serve within a minute.
        """
        newest = max(int(folder.name) for folder in self._versions.iterdir() if folder.name.isdigit())
        unfinished = self._versions / ".unfinished"  # without a number the server ignores it
        shutil.copytree(self._versions / str(newest), unfinished)
        unfinished.rename(self._versions / str(newest + 1))
        deadline = time.monotonic() + _ROLL_S
        while self.available() != [newest + 1]:
            if time.monotonic() > deadline:
                msg = f"version {newest + 1} does not serve alone after {_ROLL_S:.0f} s; the log is {self._log}"
                raise StartError(msg)
            time.sleep(_POLL_S)

    def available(self) -> list[int]:
        """Return the versions that serve."""
        status = json.loads(self._get(f"/v1/models/{MODEL}"))
        return [int(one["version"]) for one in status["model_version_status"] if one["state"] == "AVAILABLE"]

    def answered(self) -> int:
        """Return the server's count of answers (0 if down).

        It is read inside the namespace and therefore also from a server that is cut off.
        """
        if self._process is None:
            return 0
        with suppress(OSError, HTTPException):
            return call_in(self._namespace, lambda: count_answers(REST_PORT))
        return 0

    def _get(self, path: str) -> bytes:
        return call_in(self._namespace, lambda: http(REST_PORT, "GET", path))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.speed_up()
        self.stop()
        shutil.rmtree(self._versions.parent, ignore_errors=True)


class _Throttle:
    """Suspend a process periodically (SIGSTOP, SIGCONT)."""

    def __init__(self, process: subprocess.Popen[bytes], share: float) -> None:
        self._process = process
        self._share = share
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Continue the process for good."""
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._is_over.wait(_PERIOD_S * self._share):
            self._process.send_signal(signal.SIGSTOP)
            time.sleep(_PERIOD_S * (1 - self._share))
            self._process.send_signal(signal.SIGCONT)
