"""Answer the kubelet's probes with real servers.

For a cluster whose containers are simulated, but not the probes, and whose pods have addresses of this machine. Probes
of the kind ``exec`` run in a container and are therefore simulated, too.
"""

import json
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from loadtest.kubernetes.kubectl import Kubectl
from loadtest.kubernetes.pods import is_ready, is_simulated, pods_of
from loadtest.kubernetes.servers import embedded, export_demo, gateway
from loadtest.kubernetes.variants import FOLDER
from loadtest.processes import StartError

_NAMES = ("serving", "predictor", "gateway")
_PORTS = {"serving": (8500, 8501), "predictor": (9000, 8080)}
_GATEWAY_PORT = 8000
_WAIT_S = 240.0


def probe(kubectl: Kubectl) -> str:
    """Check pod states while servers start and stop.

    The pods are those of the overlay ``light``, and one as KServe makes it of its ServingRuntime.

    Raises:
        StartError: the cluster is another, or a state did not come.
    """
    if not is_simulated(kubectl):
        msg = "the containers of this cluster are real, so its probes need no servers of this machine"
        raise StartError(msg)
    kubectl.run("apply", "--server-side", "-f", "-", given=_deployments(kubectl))
    addresses = {name: _address(kubectl, name) for name in _NAMES}
    lines = ["probes of the kubelet", _line("no server runs", _until(kubectl, unready=_NAMES[1:]))]
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        servable = export_demo(folder)

        def start_models() -> ExitStack:
            models = ExitStack()
            for one, ports in _PORTS.items():
                models.enter_context(embedded(addresses[one], ports, servable, folder))
            return models

        models = stack.enter_context(start_models())
        front = stack.enter_context(ExitStack())
        upstream = f"--serving-url=grpc://{addresses['serving']}:{_PORTS['serving'][0]}"
        front.enter_context(gateway(addresses["gateway"], _GATEWAY_PORT, folder, upstream))
        lines.append(_line("all servers run", _until(kubectl, ready=_NAMES)))
        models.close()
        lines.append(_line("the model servers are stopped", _until(kubectl, unready=("predictor", "gateway"))))
        stack.enter_context(start_models())
        lines.append(_line("the model servers run again", _until(kubectl, ready=_NAMES)))
        if restarts := _restarts(kubectl, "gateway"):
            msg = f"the gateway was restarted {restarts} times while only its model server was missing"
            raise StartError(msg)
        front.close()
        kubectl.wait(lambda: _restarts(kubectl, "gateway") > 0, "the restart of a stopped gateway", _WAIT_S)
        lines.append(_line("the gateway is stopped", _until(kubectl, unready=("gateway",))))
    return "\n".join([*lines, *events(kubectl.objects("events"))])


def predictor(runtime: dict[str, Any]) -> dict[str, Any]:
    """Return a deployment with the container of a ServingRuntime."""
    labels = {"app.kubernetes.io/name": "predictor"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "predictor"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": runtime["spec"]["containers"]}},
        },
    }


def events(found: Sequence[dict[str, Any]]) -> list[str]:
    """Return the distinct messages about probes by deployment."""
    messages = set()
    for event in found:
        if event["reason"] in {"Unhealthy", "Killing"}:
            # A pod's name has its deployment's, a hash of the template and a random part.
            name = event["involvedObject"]["name"].rsplit("-", 2)[0]
            messages.add(f"event of {name}: {event['message'].strip()}")
    return sorted(messages)


def _deployments(kubectl: Kubectl) -> str:
    """Return the objects with one pod for each deployment."""
    yaml = YAML(typ="safe")
    objects = list(yaml.load_all(kubectl.run("kustomize", str(FOLDER / "overlays/light"))))
    for one in objects:
        if one["kind"] == "Deployment":
            one["spec"]["replicas"] = 1
    custom = yaml.load_all(kubectl.run("kustomize", str(FOLDER / "kserve")))
    objects += [predictor(one) for one in custom if one["kind"] == "ServingRuntime"]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})


def _address(kubectl: Kubectl, name: str) -> str:
    """Return the address of a deployment's only pod."""

    def assigned() -> bool:
        pods = pods_of(kubectl, name)
        return len(pods) == 1 and "podIP" in pods[0]["status"]

    kubectl.wait(assigned, f"an address for the pod of {name}")
    address = str(pods_of(kubectl, name)[0]["status"]["podIP"])
    if not ip_address(address).is_loopback:
        msg = f"the pod of {name} has the address {address}, where no server of this machine can answer its probes"
        raise StartError(msg)
    return address


def _until(kubectl: Kubectl, ready: Sequence[str] = (), unready: Sequence[str] = ()) -> dict[str, str]:
    """Wait for the states of pods.

    Return the states of all.
    """

    def reached() -> bool:
        return all(map(pod_ready, ready)) and not any(map(pod_ready, unready))

    def pod_ready(name: str) -> bool:
        return any(map(is_ready, pods_of(kubectl, name)))

    wanted = [*(f"{name} ready" for name in ready), *(f"{name} not ready" for name in unready)]
    kubectl.wait(reached, ", ".join(wanted), _WAIT_S)
    return {
        name: f"{'ready' if pod_ready(name) else 'not ready'}, {_restarts(kubectl, name)} restarts" for name in _NAMES
    }


def _restarts(kubectl: Kubectl, name: str) -> int:
    statuses = [one for pod in pods_of(kubectl, name) for one in pod["status"].get("containerStatuses", [])]
    return sum(one["restartCount"] for one in statuses)


def _line(what: str, states: dict[str, str]) -> str:
    return f"{what}: " + "; ".join(f"{name} {state}" for name, state in states.items())
