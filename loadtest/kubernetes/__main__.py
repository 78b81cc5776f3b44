"""Verify deploy/kubernetes on a cluster for tests (``make verify-kubernetes KUBECONFIG=…``).

Every overlay, every other component and the objects for KServe are applied to one namespace, which is deleted
afterwards: each rollout replaces the pods of the last one. Then a rollout and its undo must complete within the memory
plan, and a drain of a node with all model servers must leave the budgets intact. On simulated nodes, a gateway on this
machine is then loaded, and the autoscaler must follow its metrics. A cluster of simulated nodes is enough; a real
cluster needs the images.

With ``--probes``, for simulated nodes whose kubelets do probe, real servers answer the probes, and nothing else is
verified: all other steps need probes that pass without a server.
"""

import argparse
import secrets
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from loadtest.kubernetes.autoscaling import scale
from loadtest.kubernetes.definitions import CUSTOM, definitions
from loadtest.kubernetes.kubectl import Kubectl
from loadtest.kubernetes.pods import is_simulated
from loadtest.kubernetes.probes import probe
from loadtest.kubernetes.rollouts import drain, roll_out
from loadtest.kubernetes.variants import FOLDER, apply_all
from loadtest.processes import ROOT, StartError

NAMESPACE = "bert-mlm"
_CACHE = ROOT / "build/kubernetes"
_VOLUME = """
apiVersion: v1
kind: PersistentVolume
metadata: { name: bert-mlm-verify }
spec:
  accessModes: [ReadWriteMany]
  capacity: { storage: 10Gi }
  storageClassName: ""
  claimRef: { namespace: bert-mlm, name: models }
  hostPath: { path: /tmp, type: Directory }
"""

_GPUS = '{"status": {"capacity": {"nvidia.com/gpu": "4"}}}'


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify the manifests on a cluster for tests."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.kubernetes", description=main.__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True, help="of a cluster for tests")
    parser.add_argument("--probes", action="store_true", help="answer the kubelet's probes with real servers instead")
    options = parser.parse_args(arguments)
    kubectl = Kubectl(options.kubeconfig, NAMESPACE)
    try:
        with _namespace(kubectl), ExitStack() as stack:
            if not options.probes:
                stack.enter_context(_definitions(kubectl))
                _advertise_gpus(kubectl)
            for step in (probe,) if options.probes else (apply_all, roll_out, drain, scale):
                print(step(kubectl), flush=True)
    except (StartError, OSError, subprocess.TimeoutExpired) as error:
        print(f"verify-kubernetes: {error}", file=sys.stderr)
        return 1
    for warning in kubectl.warnings:
        print(warning)
    return 1 if kubectl.warnings else 0


@contextmanager
def _namespace(kubectl: Kubectl) -> Iterator[None]:
    """Create the namespace for the block.

    It has the secrets and the volume, and is deleted afterwards.

    Raises:
        StartError: it is there already.
    """
    if kubectl.run("get", "namespace", NAMESPACE, "--ignore-not-found"):
        msg = f"the namespace {NAMESPACE} exists, and would be deleted; use a cluster for tests"
        raise StartError(msg)
    kubectl.run("apply", "--server-side", "-f", str(FOLDER / "base/namespace.yaml"))
    try:
        kubectl.run("create", "secret", "generic", "gateway-keys", f"--from-literal=keys={secrets.token_hex(16)}")
        kubectl.run("create", "secret", "generic", "filebeat", "--from-literal=FILEBEAT_PASSWORD=none")
        kubectl.run("apply", "-f", "-", given=_VOLUME)
        yield
    finally:
        kubectl.run("delete", "namespace", NAMESPACE, "--wait=false")
        # Nothing is in flight, so nothing waits for the preStop hooks.
        kubectl.run("delete", "pods", "--all", "--grace-period=1", "--wait=false")
        kubectl.run("delete", "persistentvolume", "bert-mlm-verify", "--ignore-not-found", "--wait=false")
        kubectl.run("wait", "--for=delete", f"namespace/{NAMESPACE}", "--timeout=180s")


@contextmanager
def _definitions(kubectl: Kubectl) -> Iterator[None]:
    """Install missing definitions of custom kinds for the block."""
    served = kubectl.run("api-versions").split()
    missing = {api.partition("/")[0] for api in CUSTOM if api not in served}
    files = [file for file in definitions(_CACHE) if file.name.partition("_")[0] in missing] if missing else []
    try:
        for file in files:
            kubectl.run("apply", "--server-side", "-f", str(file))
        for file in files:
            group, _, plural = file.stem.partition("_")
            # kubectl wait fails on a definition that has no conditions yet.
            kubectl.wait(partial(_is_served, kubectl, group, plural), f"the kind {plural}.{group}")
        yield
    finally:
        for file in files:
            kubectl.run("delete", "-f", str(file), "--ignore-not-found", "--timeout=120s", timeout_s=150)


def _is_served(kubectl: Kubectl, group: str, plural: str) -> bool:
    return f"{plural}.{group}" in kubectl.run("api-resources", f"--api-group={group}", "-o", "name").split()


def _advertise_gpus(kubectl: Kubectl) -> None:
    """Advertise GPUs on simulated nodes, which have no device plugin."""
    if is_simulated(kubectl):
        for node in kubectl.objects("nodes"):
            kubectl.run("patch", "node", node["metadata"]["name"], "--subresource=status", f"--patch={_GPUS}")


if __name__ == "__main__":
    sys.exit(main())
