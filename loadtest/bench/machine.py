"""Describe the machine and the package versions of a run."""

import json
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

from export.reference import torch_python

_PACKAGES = ("tensorflow-cpu", "tensorflow", "onnxruntime", "ctranslate2", "grpcio")
_RIVALS = ("torch", "transformers", "flask", "gunicorn", "fastapi")
"""Packages of the rivals' own environment."""

_INSTRUCTION_SETS = (
    "avx",
    "avx2",
    "fma",
    "avx_vnni",
    "avx512f",
    "avx512bw",
    "avx512_vnni",
    "avx512_bf16",
    "amx_int8",
    "amx_bf16",
)
"""As Linux names them in /proc/cpuinfo, in the order in which they appeared."""

_INSTALLED = """
import json
from importlib.metadata import distributions
print(json.dumps({one.name.lower(): one.version for one in distributions()}))
"""


def describe() -> dict[str, Any]:
    """Return usable cores, processor name, memory, system and versions."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cores": cores,
        "processor": processor(),
        "instruction_sets": instruction_sets(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "system": f"{platform.system()} {platform.release()}",
        "versions": {"Python": platform.python_version(), **_versions(), **_rivals_versions()},
    }


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _rivals_versions() -> dict[str, str]:
    """Return the rivals' package versions.

    Empty without their environment.
    """
    if not torch_python().exists():
        return {}
    done = subprocess.run([torch_python(), "-c", _INSTALLED], capture_output=True, check=True)  # noqa: S603 - our own words
    installed = json.loads(done.stdout)
    return {name: installed[name] for name in _RIVALS if name in installed}


def processor() -> str:
    """Return the processor's name, family and model.

    On a virtual machine the name alone often does not identify the processor.
    """
    fields = _cpuinfo()
    family = f" (family {fields['cpu family']}, model {fields['model']})" if "cpu family" in fields else ""
    return fields.get("model name", platform.processor() or platform.machine()) + family


def instruction_sets() -> list[str]:
    """Return the processor's vector instruction sets.

    They decide which kernels run. The list is empty if they are unknown.
    """
    flags = set(_cpuinfo().get("flags", "").split())
    return [name for name in _INSTRUCTION_SETS if name in flags]


def _cpuinfo() -> dict[str, str]:
    """Return the first processor's fields of /proc/cpuinfo.

    Empty where there is no such file.
    """
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    return fields
