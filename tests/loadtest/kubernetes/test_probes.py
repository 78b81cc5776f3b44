"""The pods that `make verify-kubernetes` lets real servers answer for."""

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from loadtest.kubernetes.kubectl import Kubectl
from loadtest.kubernetes.probes import events, predictor, probe
from loadtest.processes import StartError
from tests.support.kustomize import objects


class Cluster(Kubectl):
    """A cluster of one node with a container runtime."""

    def __init__(self, runtime: str) -> None:
        super().__init__(Path("none"), "bert-mlm")
        self._runtime = runtime

    def objects(self, kind: str, selector: str = "") -> list[dict[str, Any]]:
        assert (kind, selector) == ("nodes", "")
        return [{"status": {"nodeInfo": {"containerRuntimeVersion": self._runtime}}}]


def test_the_pod_of_kserve_has_the_probes_of_the_runtime() -> None:
    (runtime,) = objects("kserve", "ServingRuntime")
    deployment = predictor(runtime)
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[kind]["grpc"] == {"port": 9000, "service": "ModelService"}
        assert container[kind]["timeoutSeconds"] == 5
    kubernetes_validate.validate(deployment, "1.37", strict=True)


def test_events_are_the_distinct_messages_about_probes() -> None:
    found = [
        event("gateway-7f9c-x2x", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503\n"),
        event("gateway-7f9c-y3y", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503"),
        event("serving-5d5d-z4z", "Scheduled", "Successfully assigned"),
    ]
    assert events(found) == ["event of gateway: Readiness probe failed: HTTP probe failed with statuscode: 503"]


def test_a_cluster_with_real_containers_is_rejected() -> None:
    with pytest.raises(StartError, match="the containers of this cluster are real"):
        probe(Cluster("containerd://2.2.0"))


def event(pod: str, reason: str, message: str) -> dict[str, Any]:
    return {"reason": reason, "message": message, "involvedObject": {"name": pod}}
