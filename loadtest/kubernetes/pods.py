"""Query and count the pods of deployments."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

from loadtest.kubernetes.kubectl import Kubectl

ROLLOUT = "--timeout=600s"
_SIMULATED = "fakeRuntime://"


def replicas_of(kubectl: Kubectl, name: str) -> int:
    """Return the number of replicas of a deployment."""
    return int(kubectl.run("get", "deployment", name, "-o", "jsonpath={.spec.replicas}"))


def pods_of(kubectl: Kubectl, name: str) -> list[dict[str, Any]]:
    """Return the pods of a deployment."""
    return kubectl.objects("pods", f"app.kubernetes.io/name={name}")


def observed(kubectl: Kubectl, names: Sequence[str], action: Callable[[], object]) -> dict[str, tuple[int, int]]:
    """Run an action and count the pods of deployments meanwhile.

    Return the largest number of pods and the smallest number of ready ones, for each deployment.
    """
    done = threading.Event()
    counts: dict[str, list[tuple[int, int]]] = {name: [] for name in names}

    def observe() -> None:
        while True:
            # Once more after the action: simulated pods may be replaced between two counts.
            is_last = done.wait(0.2)
            for name in names:
                pods = pods_of(kubectl, name)
                counts[name].append((len(pods), sum(map(is_ready, pods))))
            if is_last:
                return

    observer = threading.Thread(target=observe)
    observer.start()
    try:
        action()
    finally:
        done.set()
        observer.join()
    return {name: (max(all_ for all_, _ in seen), min(ready for _, ready in seen)) for name, seen in counts.items()}


def is_ready(pod: dict[str, Any]) -> bool:
    """Tell whether a pod is ready and not terminating."""
    conditions = {one["type"]: one["status"] for one in pod["status"].get("conditions", [])}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


def runs_sidecar(pod: dict[str, Any]) -> bool:
    """Tell whether all containers of a pod with sidecars run."""
    sidecars = pod["status"].get("initContainerStatuses", [])
    containers = pod["status"].get("containerStatuses", [])
    return bool(sidecars and containers) and all("running" in one["state"] for one in sidecars + containers)


def is_simulated(kubectl: Kubectl) -> bool:
    """Tell whether all nodes are simulated."""
    nodes = kubectl.objects("nodes")
    return all(one["status"]["nodeInfo"]["containerRuntimeVersion"].startswith(_SIMULATED) for one in nodes)
