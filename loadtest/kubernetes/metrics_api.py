"""Answer the API custom.metrics.k8s.io, as a metrics adapter does."""

import json
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from loadtest.kubernetes.kubectl import Kubectl

METRICS = ("gateway_in_flight", "gateway_queue")
"""The metrics of the HorizontalPodAutoscaler."""

_GROUP = "custom.metrics.k8s.io"
_VERSION = "v1beta2"
_ROOT = f"/apis/{_GROUP}/{_VERSION}"

Read = Callable[[str], Mapping[str, float]]
"""Returns a metric's value for each pod; OSError if it cannot be read."""

# The aggregator resolves a service of this type to its name, here the machine of the API server.
_REGISTRATION = """
apiVersion: v1
kind: Service
metadata: {{ name: verify-metrics, namespace: {namespace} }}
spec: {{ type: ExternalName, externalName: localhost, ports: [{{ port: {port} }}] }}
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {{ name: {version}.{group} }}
spec:
  group: {group}
  version: {version}
  groupPriorityMinimum: 100
  versionPriority: 100
  insecureSkipTLSVerify: true
  service: {{ name: verify-metrics, namespace: {namespace}, port: {port} }}
"""


def answer(target: str, read: Read) -> dict[str, Any] | None:
    """Return the answer to a request.

    It is None for an unknown path.
    """
    path = unquote(urlsplit(target).path).rstrip("/")  # Go sends the asterisk as %2A
    if path == _ROOT:
        return {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": f"{_GROUP}/{_VERSION}",
            "resources": [_resource(metric) for metric in METRICS],
        }
    match path.removeprefix(f"{_ROOT}/").split("/"):
        case ["namespaces", namespace, "pods", "*", metric] if metric in METRICS:
            items = [_item(namespace, pod, metric, value) for pod, value in read(metric).items()]
            return {
                "kind": "MetricValueList",
                "apiVersion": f"{_GROUP}/{_VERSION}",
                "metadata": {},
                "items": items,
            }
    return None


def _resource(metric: str) -> dict[str, Any]:
    return {
        "name": f"pods/{metric}",
        "singularName": "",
        "namespaced": True,
        "kind": "MetricValueList",
        "verbs": ["get"],
    }


def _item(namespace: str, pod: str, metric: str, value: float) -> dict[str, Any]:
    return {
        "describedObject": {"kind": "Pod", "apiVersion": "/v1", "namespace": namespace, "name": pod},
        "metric": {"name": metric},
        "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "value": f"{round(1000 * value)}m",
    }


@contextmanager
def metrics_api(kubectl: Kubectl, read: Read, folder: Path) -> Iterator[None]:
    """Serve and register the API during the block."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*_certificate(folder))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            try:
                found = answer(self.path, read)
            except OSError as error:
                self._send(503, {"kind": "Status", "apiVersion": "v1", "code": 503, "message": str(error)})
                return
            missing = {"kind": "Status", "apiVersion": "v1", "code": 404, "reason": "NotFound"}
            self._send(200 if found else 404, found or missing)

        def _send(self, status: int, content: Mapping[str, Any]) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Write no log."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        # The handshake is the handler thread's, so that a silent connection does not block the others.
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with _registered(kubectl, server.server_port):
                yield
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def _registered(kubectl: Kubectl, port: int) -> Iterator[None]:
    given = _REGISTRATION.format(namespace=kubectl.namespace, port=port, group=_GROUP, version=_VERSION)
    name = f"apiservice/{_VERSION}.{_GROUP}"
    kubectl.run("apply", "--server-side", "-f", "-", given=given)
    try:
        kubectl.run("wait", "--for=condition=Available", name, "--timeout=60s")
        yield
    finally:
        # Before the namespace: its deletion asks every API that is registered.
        kubectl.run("delete", name, "--ignore-not-found")


def _certificate(folder: Path) -> tuple[Path, Path]:
    """Create a certificate for localhost and its key."""
    certificate, key = folder / "metrics.crt", folder / "metrics.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "1", "-subj", "/CN=localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)  # noqa: S603 - our own words
    return certificate, key
