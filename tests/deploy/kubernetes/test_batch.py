"""The RayJob of a run over a corpus."""

import re
import shlex
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from bert_mlm_client import __version__

from deploy.batch.arguments import parse
from tests.support.kustomize import FOLDER, Object, build

ROOT = Path(__file__).parents[3]
OBJECTS = {one["kind"]: one for one in build(FOLDER / "batch")}
JOB = OBJECTS["RayJob"]["spec"]
CLUSTER = JOB["rayClusterSpec"]
TEMPLATES = [CLUSTER["headGroupSpec"]["template"], *(group["template"] for group in CLUSTER["workerGroupSpecs"])]


@pytest.mark.parametrize("template", TEMPLATES, ids=["head", "workers"])
def test_no_pod_has_rights_that_it_does_not_need(template: Object) -> None:
    pod = template["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["image"] == f"bert-mlm-batch:{__version__}"
    assert container["resources"]["requests"].keys() == container["resources"]["limits"].keys() == {"cpu", "memory"}
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}


@pytest.mark.parametrize("template", TEMPLATES, ids=["head", "workers"])
def test_each_pod_is_an_ordinary_one_by_its_schema(template: Object) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "x", **template["metadata"]},
        "spec": template["spec"],
    }
    kubernetes_validate.validate(pod, "1.37", strict=True)


def test_the_entrypoint_is_a_command_of_this_repository() -> None:
    words = shlex.split(JOB["entrypoint"].partition("||")[0])
    assert words[:3] == ["python", "-m", "deploy.batch"]
    options = parse(words[3:])
    assert options.address == "auto"
    paths = {str(options.model), options.output, *options.input}
    mounts = [mount["mountPath"] for mount in TEMPLATES[1]["spec"]["containers"][0]["volumeMounts"]]
    assert all(any(path.startswith(f"{mount}/") for mount in mounts) for path in paths)


def test_ray_has_authentication_and_no_statistics_and_runs_at_full_priority() -> None:
    assert CLUSTER["authOptions"] == {"mode": "token"}
    for template in TEMPLATES:
        variables = {one["name"]: one["value"] for one in template["spec"]["containers"][0]["env"]}
        assert variables == {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}


def test_the_version_of_ray_is_the_pinned_one() -> None:
    (pinned,) = re.findall(r"^ray==(\S+)", (ROOT / "constraints.txt").read_text("utf-8"), re.MULTILINE)
    assert CLUSTER["rayVersion"] == pinned


def test_the_head_answers_nothing_and_a_worker_leaves_cpus_free() -> None:
    assert CLUSTER["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    (group,) = CLUSTER["workerGroupSpecs"]
    assert int(group["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"]) > 1


def test_only_the_operator_reaches_the_pods_and_they_reach_each_other() -> None:
    policy: dict[str, Any] = OBJECTS["NetworkPolicy"]["spec"]
    selected = policy["podSelector"]["matchLabels"]
    assert all(selected.items() <= template["metadata"]["labels"].items() for template in TEMPLATES)
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    itself, operator = policy["ingress"]
    assert itself == {"from": [{"podSelector": {"matchLabels": selected}}]}
    assert operator["ports"] == [{"port": 8265}]
    assert next(rule["to"][0].get("podSelector") for rule in policy["egress"]) == {"matchLabels": selected}
    kubernetes_validate.validate(OBJECTS["NetworkPolicy"], "1.37", strict=True)
