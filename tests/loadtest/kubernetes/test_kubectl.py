"""The warnings that `make verify-kubernetes` counts as failures."""

from pathlib import Path

import pytest

from loadtest.kubernetes import kubectl
from loadtest.processes import StartError

SCRIPT = """#!/bin/sh
echo 'Warning: deleting cluster-scoped resources, not scoped to the provided namespace' >&2
echo 'Warning: would violate PodSecurity "restricted:latest"' >&2
echo 'not a warning' >&2
exit $STATUS
"""


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> kubectl.Kubectl:
    program = tmp_path / "kubectl"
    program.write_text(SCRIPT)
    program.chmod(0o755)
    monkeypatch.setattr(kubectl, "KUBECTL", program)
    return kubectl.Kubectl(tmp_path / "none", "bert-mlm")


@pytest.mark.parametrize("status", [0, 1])
def test_warnings_are_kept_but_for_the_one_about_deletions(
    cluster: kubectl.Kubectl, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setenv("STATUS", str(status))
    if status:
        with pytest.raises(StartError, match="not a warning"):
            cluster.run("delete", "apiservice")
    else:
        cluster.run("delete", "apiservice")
    assert cluster.warnings == ['Warning: would violate PodSecurity "restricted:latest"']
