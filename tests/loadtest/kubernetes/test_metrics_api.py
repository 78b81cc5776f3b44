"""The metrics API that `make verify-kubernetes` registers."""

import json
import shutil
import ssl
from collections.abc import Mapping
from http.client import HTTPSConnection
from pathlib import Path

import pytest

from loadtest.kubernetes.kubectl import Kubectl
from loadtest.kubernetes.metrics_api import METRICS, answer, metrics_api

ROOT = "/apis/custom.metrics.k8s.io/v1beta2"
QUEUE = f"{ROOT}/namespaces/bert-mlm/pods/*/gateway_queue"


def read(metric: str) -> Mapping[str, float]:
    return {"gateway-a": 10.6666, "gateway-b": 0.0} if metric == "gateway_queue" else {"gateway-a": 64.0}


def unreadable(metric: str) -> Mapping[str, float]:
    msg = f"no gateway for {metric}"
    raise OSError(msg)


class Recorder(Kubectl):
    """Records commands and runs none."""

    def __init__(self) -> None:
        super().__init__(Path("none"), "bert-mlm")
        self.commands: list[str] = []
        self.port = 0

    def run(self, *arguments: str, given: str | None = None, timeout_s: float = 300.0) -> str:  # noqa: ARG002 - the parent's
        self.commands.append(" ".join(arguments))
        if given:
            self.port = int(given.rpartition("port: ")[2].partition(" ")[0])
        return ""


def test_discovery_names_the_metrics_of_pods() -> None:
    found = answer(f"{ROOT}?timeout=32s", read)
    assert found
    assert found["groupVersion"] == "custom.metrics.k8s.io/v1beta2"
    assert [one["name"] for one in found["resources"]] == [f"pods/{metric}" for metric in METRICS]


@pytest.mark.parametrize("asterisk", ["*", "%2A"])
def test_every_pod_has_its_value_in_thousandths(asterisk: str) -> None:
    found = answer(f"{QUEUE.replace('*', asterisk)}?labelSelector=app.kubernetes.io%2Fname%3Dgateway", read)
    assert found
    values = {one["describedObject"]["name"]: one["value"] for one in found["items"]}
    assert values == {"gateway-a": "10667m", "gateway-b": "0m"}
    assert {one["metric"]["name"] for one in found["items"]} == {"gateway_queue"}


@pytest.mark.parametrize(
    "path",
    [
        f"{ROOT}/namespaces/bert-mlm/pods/*/gateway_latency",
        f"{ROOT}/namespaces/bert-mlm/services/*/gateway_queue",
        "/apis/custom.metrics.k8s.io/v1beta1",
        "/openapi/v2",
    ],
)
def test_another_path_has_no_answer(path: str) -> None:
    assert answer(path, read) is None


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_the_api_is_served_over_https_and_registered_meanwhile(tmp_path: Path) -> None:
    kubectl = Recorder()
    with metrics_api(kubectl, read, tmp_path):
        assert not any(command.startswith("delete") for command in kubectl.commands)
        assert get(kubectl.port, QUEUE)[0] == 200
        assert get(kubectl.port, "/openapi/v2")[0] == 404
    assert kubectl.commands[-1] == "delete apiservice/v1beta2.custom.metrics.k8s.io --ignore-not-found"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_metrics_that_cannot_be_read_are_an_error(tmp_path: Path) -> None:
    kubectl = Recorder()
    with metrics_api(kubectl, unreadable, tmp_path):
        status, body = get(kubectl.port, QUEUE)
    assert (status, body["message"]) == (503, "no gateway for gateway_queue")


def get(port: int, path: str) -> tuple[int, dict[str, object]]:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = HTTPSConnection("127.0.0.1", port, context=context, timeout=30)
    connection.request("GET", path)
    response = connection.getresponse()
    body = json.loads(response.read())
    connection.close()
    return response.status, body
