"""Every object against the schemas of the last three Kubernetes versions."""

import os
from pathlib import Path

import kubernetes_validate
import pytest

from tests.support.kustomize import FOLDER, RENDERED, build, render

VERSIONS = ["1.35", "1.36", "1.37"]
CUSTOM = {"InferenceService", "ServingRuntime", "ServiceMonitor", "PrometheusRule"}
"""Kinds whose schemas are those of their own projects; `make verify-kubernetes` asks a server for the others, too."""


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("folder", RENDERED)
def test_every_object_is_valid(folder: str, version: str) -> None:
    for one in render(folder):
        if one["kind"] not in CUSTOM:
            kubernetes_validate.validate(one, version, strict=True)


@pytest.mark.parametrize("folder", RENDERED)
def test_names_are_unique_and_all_in_the_namespace(folder: str) -> None:
    names = [(one["kind"], one["metadata"]["name"]) for one in render(folder)]
    assert len(set(names)) == len(names)
    for one in render(folder):
        assert one["kind"] == "Namespace" or one["metadata"]["namespace"] == "bert-mlm", one["metadata"]


def test_a_field_that_kubernetes_does_not_know_is_found() -> None:
    (deployment, *_) = (dict(one) for one in render("overlays/light") if one["kind"] == "Deployment")
    deployment["spec"] = deployment["spec"] | {"replica": 2}
    with pytest.raises(kubernetes_validate.ValidationError, match="replica"):
        kubernetes_validate.validate(deployment, VERSIONS[-1], strict=True)


@pytest.mark.parametrize("components", [["export"], ["light", "models-image"], ["gpu", "filebeat", "metrics"]])
def test_an_overlay_of_other_components_is_valid(components: list[str], tmp_path: Path) -> None:
    folder = os.path.relpath(FOLDER, tmp_path)
    (tmp_path / "kustomization.yaml").write_text(
        f"namespace: bert-mlm\nresources: [{folder}/base]\n"
        f"components: [{', '.join(f'{folder}/components/{name}' for name in components)}]\n"
    )
    objects = build(tmp_path)
    for one in objects:
        if one["kind"] not in CUSTOM:
            kubernetes_validate.validate(one, VERSIONS[-1], strict=True)
    volumes = {
        volume["name"]: volume
        for one in objects
        if one["kind"] == "Deployment"
        for volume in one["spec"]["template"]["spec"]["volumes"]
    }
    if "models-image" in components:
        assert volumes["models"]["image"]["reference"] == "bert-mlm-models:1"
        assert "PersistentVolumeClaim" not in {one["kind"] for one in objects}
    if "export" in components:
        assert "Job" in {one["kind"] for one in objects}
