"""Download the definitions of custom kinds, from pinned Go modules."""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

from loadtest.processes import StartError

CUSTOM = ("monitoring.coreos.com/v1", "ray.io/v1", "serving.kserve.io/v1alpha1", "serving.kserve.io/v1beta1")
"""The versions of the custom kinds."""

_TIMEOUT_S = 600


class _Module(NamedTuple):
    name: str
    version: str
    checksum: str  # of go.sum
    files: tuple[str, ...]


_MODULES = (
    _Module(
        "github.com/prometheus-operator/prometheus-operator",
        "v0.85.0",
        "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=",
        (
            "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
            "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
        ),
    ),
    _Module(
        "github.com/kserve/kserve",
        "v0.20.0",
        "h1:Bs7HxmGV4KFqqptDcWseKv+mwD4YOYHJWcuVgPG2Gug=",
        (
            "config/crd/full/serving.kserve.io_servingruntimes.yaml",
            "config/crd/full/serving.kserve.io_inferenceservices.yaml",
        ),
    ),
    _Module(
        "github.com/ray-project/kuberay/ray-operator",
        "v1.6.2",
        "h1:XUckRswLMyk71D00L62d2Vanh0fVkNqu56+IF/rr+O0=",
        ("config/crd/bases/ray.io_rayjobs.yaml",),
    ),
)


def definitions(cache: Path) -> list[Path]:
    """Return the files of the definitions.

    The list is empty without Go and without a filled cache.

    Raises:
        StartError: a module could not be downloaded, or has another checksum.
    """
    found = [cache / module.version / Path(file).name for module in _MODULES for file in module.files]
    if not all(file.exists() for file in found):
        if shutil.which("go") is None:
            return []
        for module in _MODULES:
            _download(module, cache / module.version)
    return found


def _download(module: _Module, target: Path) -> None:
    # The modules have 0.5 GB: only the files are kept. -modcacherw makes the folder deletable.
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"GOMODCACHE": folder, "GOFLAGS": "-modcacherw"}
        command = ["go", "mod", "download", "-json", f"{module.name}@{module.version}"]
        result = subprocess.run(  # noqa: S603 - our own words
            command, capture_output=True, text=True, check=False, cwd=folder, env=environment, timeout=_TIMEOUT_S
        )
        if result.returncode:
            msg = f"{' '.join(command)} failed: {(result.stderr or result.stdout).strip()[-500:]}"
            raise StartError(msg)
        downloaded = json.loads(result.stdout)
        if downloaded["Sum"] != module.checksum:
            msg = f"{module.name} {module.version} has the checksum {downloaded['Sum']}, not {module.checksum}"
            raise StartError(msg)
        target.mkdir(parents=True, exist_ok=True)
        for file in module.files:
            shutil.copyfile(Path(downloaded["Dir"]) / file, target / Path(file).name)
