"""Scale the gateways by a real gateway's metrics.

A gateway on this machine is loaded. Its requests in flight and in its queue are divided equally among the pods, as the
service of the deployment would divide them, and the autoscaler of the deployment reads the result.
"""

import json
import math
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loadtest.kubernetes.gateway_load import gauges, load
from loadtest.kubernetes.kubectl import Kubectl
from loadtest.kubernetes.metrics_api import METRICS, metrics_api
from loadtest.kubernetes.pods import is_simulated, pods_of, replicas_of
from loadtest.kubernetes.servers import export_demo, gateway
from loadtest.processes import StartError, free_port, http

CONCURRENCY = 64
"""GATEWAY_MAX_CONCURRENCY of deploy/kubernetes, which the gateway on this machine has, too."""

_LOADS = (96, 128)  # connections; the requests beyond CONCURRENCY are in the queue
_SENTENCES = 8  # of a request: sending takes little time, so almost all requests are in the gateway
_UP_S = 120.0
_DOWN_S = 180.0
_SAMPLE_S = 1.0

# Only here: five minutes without load and a minute for each pod would make this step 11 minutes long.
_QUICK = {
    "spec": {
        "behavior": {
            "scaleDown": {
                "stabilizationWindowSeconds": 10,
                "policies": [{"type": "Pods", "value": 1, "periodSeconds": 5}],
            }
        }
    }
}


def desired(connections: int, targets: dict[str, float], bounds: tuple[int, int]) -> int:
    """Return the replicas for a number of outstanding requests.

    Args:
        connections: the number of outstanding requests.
        targets: each metric's target for a pod.
        bounds: the fewest and the most replicas.
    """
    totals = {"gateway_in_flight": min(connections, CONCURRENCY), "gateway_queue": max(0, connections - CONCURRENCY)}
    most = max(math.ceil(totals[name] / target) for name, target in targets.items())
    return min(max(most, bounds[0]), bounds[1])


def scale(kubectl: Kubectl) -> str:
    """Scale the gateways up under load and down after it."""
    if not is_simulated(kubectl):
        return "autoscaling: left out, since the cluster's API server may not reach this machine"
    scaler = json.loads(kubectl.run("get", "hpa", "gateway", "-o", "json"))["spec"]
    bounds = (scaler["minReplicas"], scaler["maxReplicas"])
    pods_metrics = [metric["pods"] for metric in scaler["metrics"]]
    targets = {one["metric"]["name"]: float(one["target"]["averageValue"]) for one in pods_metrics}
    if targets.keys() != set(METRICS):
        msg = f"the autoscaler reads {', '.join(targets)}, not {', '.join(METRICS)}"
        raise StartError(msg)
    kubectl.run("patch", "hpa", "gateway", "--type=merge", f"--patch={json.dumps(_QUICK)}")
    port = free_port()

    def read(metric: str) -> dict[str, float]:
        total = gauges(port)[metric]
        names = [pod["metadata"]["name"] for pod in pods_of(kubectl, "gateway")]
        return {name: total / len(names) for name in names}

    lines = ["autoscaling by the metrics of a gateway on this machine, divided among the pods"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        arguments = ["--engine=onnx", "--engine-threads=1", f"--model-folder={export_demo(folder)}"]
        arguments.append(f"--max-concurrency={CONCURRENCY}")
        with (
            gateway("127.0.0.1", port, folder, *arguments, ready=lambda: http(port, "GET", "/readyz")),
            metrics_api(kubectl, read, folder),
            _timeline(kubectl, port) as timeline,
        ):
            _await_replicas(kubectl, bounds[0], _DOWN_S)
            for connections in _LOADS:
                expected = desired(connections, targets, bounds)
                timeline.append(f"load: {connections} connections; expected replicas: {expected}")
                with load(port, connections, _SENTENCES) as statuses:
                    _await_replicas(kubectl, expected, _UP_S)
                answers = ", ".join(f"{count} with {status}" for status, count in sorted(statuses.items()))
                timeline.append(f"answers: {answers}")
            timeline.append(f"no load; expected replicas: {bounds[0]}")
            _await_replicas(kubectl, bounds[0], _DOWN_S)
    return "\n".join([*lines, *timeline, *_rescales(kubectl)])


def _await_replicas(kubectl: Kubectl, expected: int, timeout_s: float) -> None:
    """Wait until the deployment has a number of ready replicas."""

    def reached() -> bool:
        status = json.loads(kubectl.run("get", "deployment", "gateway", "-o", "json"))["status"]
        return replicas_of(kubectl, "gateway") == expected == int(status.get("readyReplicas", 0))

    kubectl.wait(reached, f"{expected} ready gateways", timeout_s)


@contextmanager
def _timeline(kubectl: Kubectl, port: int) -> Iterator[list[str]]:
    """Record each change of the replicas during the block."""
    lines: list[str] = []
    done, begun = threading.Event(), time.monotonic()

    def observe() -> None:
        last = None
        while True:
            is_last = done.wait(_SAMPLE_S)
            replicas = replicas_of(kubectl, "gateway")
            if replicas != last:
                values = gauges(port)
                seen = ", ".join(f"{name} {values[name]:g}" for name in METRICS)
                lines.append(f"{time.monotonic() - begun:4.0f} s: {replicas} replicas ({seen})")
                last = replicas
            if is_last:
                return

    observer = threading.Thread(target=observe)
    observer.start()
    try:
        yield lines
    finally:
        done.set()
        observer.join()


def _rescales(kubectl: Kubectl) -> list[str]:
    """Return the autoscaler's own reasons, oldest first."""
    events = [one for one in kubectl.objects("events") if one["reason"] == "SuccessfulRescale"]
    events.sort(key=lambda one: str(one.get("lastTimestamp") or one.get("eventTime")))
    return [f"event: {one['message']}" for one in events]
