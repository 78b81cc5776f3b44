"""Apply every variant of deploy/kubernetes."""

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from loadtest.kubernetes.definitions import CUSTOM
from loadtest.kubernetes.kubectl import Kubectl
from loadtest.kubernetes.pods import ROLLOUT, is_simulated, pods_of, replicas_of, runs_sidecar
from loadtest.processes import ROOT, StartError

FOLDER = ROOT / "deploy/kubernetes"
_COMPONENTS = (("export",), ("light", "models-image"))
"""Components that no overlay has."""

_CUSTOM = (("batch",), ("kserve",))
"""Folders of custom kinds, without their controllers: no pods."""


def variants() -> list[tuple[str, ...]]:
    """Return every folder and group of components to render."""
    # The overlay that the steps after apply_all use is the last one.
    overlays = sorted(f"overlays/{one.name}" for one in (FOLDER / "overlays").iterdir())
    return [*_COMPONENTS, *_CUSTOM, *((overlay,) for overlay in overlays)]


def title_of(variant: tuple[str, ...]) -> str:
    """Return the name of a variant in tables."""
    return "+".join(variant).removeprefix("overlays/")


def apply_all(kubectl: Kubectl) -> str:
    """Apply every variant and return a table of objects."""
    accepted: dict[str, list[str]] = {}
    for variant in variants():
        name = title_of(variant)
        names, left_out = _apply(kubectl, rendered(kubectl, variant))
        ready = [] if variant in _CUSTOM else [_await_pods(kubectl, one) for one in ("serving", "gateway")]
        if "export" in variant:
            kubectl.run("wait", "--for=jsonpath={.status.ready}=1", "job/export-1", "--timeout=120s")
        unknown = f", {left_out} left out since their kinds are unknown to it" if left_out else ""
        print("; ".join([f"{name}: {len(names)} objects accepted{unknown}", *ready]), flush=True)
        accepted[name] = names
    return table(accepted)


def _await_pods(kubectl: Kubectl, name: str) -> str:
    """Wait until a deployment's pods are ready and report it."""
    deployment = json.loads(kubectl.run("get", "deployment", name, "-o", "json"))
    sidecars = deployment["spec"]["template"]["spec"].get("initContainers")
    if sidecars and is_simulated(kubectl):
        # A simulated node answers the probes of containers, but never reports a sidecar as ready.
        def run() -> bool:
            running = [pod for pod in pods_of(kubectl, name) if runs_sidecar(pod)]
            return len(running) >= max(2, replicas_of(kubectl, name))

        kubectl.wait(run, f"sidecars of {name}", 300)
        return f"{name} with its sidecar runs (simulated nodes report no sidecar as ready)"
    # A deployment that breaks the pod security level is accepted; its pods are not.
    kubectl.run("rollout", "status", f"deployment/{name}", ROLLOUT, timeout_s=700)
    return f"{name} is ready"


def rendered(kubectl: Kubectl, variant: tuple[str, ...]) -> list[str]:
    """Render a folder, or the base with components."""
    if variant not in _COMPONENTS:
        return kubectl.run("kustomize", str(FOLDER / variant[0])).split("\n---\n")
    with tempfile.TemporaryDirectory() as folder:
        base = os.path.relpath(FOLDER, Path(folder).resolve())
        components = ", ".join(f"{base}/components/{name}" for name in variant)
        text = f"namespace: {kubectl.namespace}\nresources: [{base}/base]\ncomponents: [{components}]\n"
        (Path(folder) / "kustomization.yaml").write_text(text, encoding="utf-8")
        return kubectl.run("kustomize", folder).split("\n---\n")


def _apply(kubectl: Kubectl, documents: Sequence[str]) -> tuple[list[str], int]:
    """Apply the objects whose kinds the cluster knows.

    Return their names and the number of the others.
    """
    served = kubectl.run("api-versions").split()
    unknown = [f"apiVersion: {api}\n" for api in CUSTOM if api not in served]
    known = [one for one in documents if not any(api in one for api in unknown)]
    if not known:
        return [], len(documents)
    given = "\n---\n".join(known)
    applied = kubectl.run("apply", "--server-side", "--force-conflicts", "-o", "name", "-f", "-", given=given)
    names = applied.split()
    if len(names) != len(known):
        msg = f"{len(names)} of {len(known)} objects were applied"
        raise StartError(msg)
    return names, len(documents) - len(known)


def table(columns: Mapping[str, Sequence[str]]) -> str:
    """Return a table of objects by variant."""
    rows = sorted({name for names in columns.values() for name in names})
    width = max(len(name) for name in ("object", *rows))
    lines = ["object".ljust(width) + "".join(f"  {title}" for title in columns)]
    for row in rows:
        cells = (f"  {('x' if row in names else '-').center(len(title))}" for title, names in columns.items())
        lines.append((row.ljust(width) + "".join(cells)).rstrip())
    return "\n".join(lines)
