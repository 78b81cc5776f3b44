"""Measure the latency of questions while dashboard reports are computed.

``python -m tests.deploy.gateway.dashboard.interference --folder build/report-log`` starts a gateway before a scripted
model, whose answers take no time, with that folder's log (``tests.deploy.gateway.report.generate`` writes one), asks it
over one connection, first alone and then while reports are computed one after the other, and prints the latencies.
"""

import argparse
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx2
import numpy as np

from loadtest.processes import ROOT
from tests.client.scripted import ScriptedModel, grpc_server
from tests.deploy.gateway.conftest import SENTENCE, environment, wait_until


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=5, help="how long questions are asked alone")
    parser.add_argument("--reports", type=int, default=3)
    options = parser.parse_args()
    with grpc_server(ScriptedModel()) as url:
        command = [sys.executable, "-m", "deploy.gateway", "--port=0", f"--serving-url={url}"]
        with subprocess.Popen(
            [*command, f"--log-folder={options.folder}"], cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            found = re.search(r"http://\S+:\d+", process.stdout.readline())
            assert found is not None
            try:
                _measure(found[0], options.seconds, options.reports)
            finally:
                process.terminate()


def _measure(url: str, seconds: float, reports: int) -> None:
    with httpx2.Client(base_url=url, timeout=60, trust_env=False) as client:
        wait_until(lambda: client.get("/readyz").status_code == 200)
        client.post("/predict", json={"text": SENTENCE})
        end = time.monotonic() + seconds
        _print("alone", _ask(client, lambda: time.monotonic() < end))
        took: list[float] = []
        reading = threading.Thread(target=_read_reports, args=(url, reports, took))
        reading.start()
        _print("while reports are computed", _ask(client, reading.is_alive))
        print(f"reports: {', '.join(f'{one:.2f} s' for one in took)}")


def _read_reports(url: str, reports: int, took: list[float]) -> None:
    with httpx2.Client(base_url=url, timeout=60, trust_env=False) as client:
        for number in range(reports):
            began = time.perf_counter()
            client.get("/dashboard", params={"since": f"{48 + number}h"}).raise_for_status()
            took.append(time.perf_counter() - began)


def _ask(client: httpx2.Client, goes_on: Callable[[], bool]) -> list[float]:
    took = []
    while goes_on():
        began = time.perf_counter()
        client.post("/predict", json={"text": SENTENCE}).raise_for_status()
        took.append(time.perf_counter() - began)
    return took


def _print(name: str, took: list[float]) -> None:
    p50, p95, p99, most = np.percentile(took, [50, 95, 99, 100]) * 1000
    print(f"{name}: {len(took)} questions, p50 {p50:.2f} ms, p95 {p95:.2f} ms, p99 {p99:.2f} ms, most {most:.2f} ms")


if __name__ == "__main__":
    main()
