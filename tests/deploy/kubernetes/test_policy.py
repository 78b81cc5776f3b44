"""What must hold in every variant: security, images, settings, probes, stops and networks."""

import re
from pathlib import Path
from typing import Any

import pytest
from bert_mlm_client import __version__
from bert_mlm_client.transport.balance import LOOKUP_S
from ruamel.yaml import YAML

from deploy.embedded import flags
from deploy.gateway.settings import SECRETS, Settings, describe
from tests.support.kustomize import FOLDER, RENDERED, Object, containers, find, objects, pods, render
from tests.support.settings import settings_from

ROOT = Path(__file__).parents[3]
PODS = [pytest.param(pod, id=f"{folder}: {name}") for folder in RENDERED for name, pod in pods(folder)]
OVERLAYS = [folder for folder in RENDERED if folder.startswith("overlays/")]
OWN_IMAGES = re.compile(r"bert-mlm-(gateway|light|export):")
NAME_SERVER_TTL_S = 30  # of Kubernetes's own name server, at most


def runtime() -> Object:
    (one,) = objects("kserve", "ServingRuntime")
    return {"containers": one["spec"]["containers"]}


@pytest.mark.parametrize("pod", PODS)
def test_no_pod_has_rights_that_it_does_not_need(pod: Object) -> None:
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert not any("hostPath" in volume for volume in pod["volumes"])
    for container in containers(pod):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert not any("hostPort" in port for port in container.get("ports", []))


def test_the_runtime_of_kserve_has_no_rights_that_it_does_not_need() -> None:
    (container,) = runtime()["containers"]
    context = container["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] > 0
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert (context["allowPrivilegeEscalation"], context["readOnlyRootFilesystem"]) == (False, True)


@pytest.mark.parametrize("folder", OVERLAYS)
def test_the_level_restricted_is_enforced_warned_of_and_audited(folder: str) -> None:
    (namespace,) = objects(folder, "Namespace")
    labels = namespace["metadata"]["labels"]
    assert {labels[f"pod-security.kubernetes.io/{mode}"] for mode in ("enforce", "warn", "audit")} == {"restricted"}


@pytest.mark.parametrize("pod", [*PODS, pytest.param(runtime(), id="kserve")])
def test_every_image_has_a_version_and_every_container_its_limits(pod: Object) -> None:
    for container in containers(pod):
        tag = container["image"].rpartition(":")[2]
        assert re.match(r"v?\d+(\.\d+)+(-gpu)?$", tag), container["image"]
        if OWN_IMAGES.match(container["image"]):
            assert tag == __version__
        resources = container["resources"]
        assert resources["requests"].keys() == resources["limits"].keys() - {"nvidia.com/gpu"} == {"cpu", "memory"}


def test_images_are_of_the_versions_that_compose_has() -> None:
    text = (ROOT / "docker-compose.yml").read_text("utf-8")
    pinned = dict(re.findall(r"image: (\S+):\$\{\w+:-([^}]+)\}", text))
    used = {image for folder in RENDERED for _, pod in pods(folder) for image in map(_image, containers(pod))}
    for name, tag in used | {_image(runtime()["containers"][0])}:
        if name in pinned:
            assert tag in {pinned[name], f"{pinned[name]}-gpu"}


def _image(container: Object) -> tuple[str, str]:
    name, _, tag = container["image"].rpartition(":")
    return name, tag


def settings() -> dict[str, str]:
    (found,) = (one for one in objects("overlays/light", "ConfigMap") if "SERVING_URL" in one["data"])
    return dict(found["data"])


def test_every_setting_of_the_gateway_can_be_made() -> None:
    of_the_image = {"GATEWAY_HOST", "GATEWAY_PORT", "GATEWAY_LOG_FOLDER", "GATEWAY_ENGINE", "GATEWAY_ENGINE_THREADS"}
    of_the_pod = {"GATEWAY_INSTANCE"}
    secret = {*SECRETS}
    names = {name for name, _, _ in describe()}
    assert settings().keys() | of_the_image | of_the_pod | secret == names | secret
    assert not settings().keys() & (secret | of_the_pod)
    gateway = find("overlays/light", "Deployment", "gateway")["spec"]["template"]["spec"]["containers"][0]
    assert {"secretRef": {"name": "gateway-secrets", "optional": True}} in gateway["envFrom"]
    assert {one["name"] for one in gateway["env"]} == of_the_pod


def test_settings_are_the_defaults_except_for_places(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("a-key-of-a-test-0123456789\n")
    places = {"SERVING_URL", "GATEWAY_MODEL_FOLDER", "GATEWAY_API_KEYS_FILE"}
    made = settings_from(settings() | {"GATEWAY_API_KEYS_FILE": str(keys)})
    default = Settings()
    for name in Settings.model_fields:
        alias = Settings.model_fields[name].alias or f"GATEWAY_{name.upper()}"
        if alias not in places:
            assert getattr(made, name) == getattr(default, name), name


def test_the_gateway_needs_keys_from_a_file() -> None:
    pod = find("overlays/light", "Deployment", "gateway")["spec"]["template"]["spec"]
    (volume,) = (one for one in pod["volumes"] if one["name"] == "keys")
    assert "optional" not in volume["secret"]
    (mount,) = (one for one in pod["containers"][0]["volumeMounts"] if one["name"] == "keys")
    assert settings()["GATEWAY_API_KEYS_FILE"] == f"{mount['mountPath']}/keys"


@pytest.mark.parametrize("folder", OVERLAYS)
def test_the_model_servers_flags_are_known_and_threads_follow_the_limit(folder: str) -> None:
    container = find(folder, "Deployment", "serving")["spec"]["template"]["spec"]["containers"][0]
    assert "--tensorflow_intra_op_parallelism=$(CPU_LIMIT)" in container["args"]
    assert container["env"][0]["valueFrom"] == {"resourceFieldRef": {"resource": "limits.cpu"}}
    given = [one.replace("$(CPU_LIMIT)", "4").replace("/config/", f"{ROOT}/models/") for one in container["args"]]
    if "deploy.embedded" in container["command"]:
        given += container["command"][3:]
    assert flags.parse(given).enable_grpc_healthcheck_service


@pytest.mark.parametrize("pod", PODS)
def test_a_stop_has_time_for_what_is_in_flight(pod: Object) -> None:
    for container in pod["containers"]:
        if "lifecycle" not in container:
            assert container["name"] == "export"
            continue
        pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        grace = pod["terminationGracePeriodSeconds"]
        if container["name"] == "gateway":
            assert grace >= pause + int(settings()["GATEWAY_GRACE_S"]) + 10
        else:
            # until every gateway has looked the name up again
            assert pause >= LOOKUP_S + NAME_SERVER_TTL_S
            assert grace >= pause + 10


@pytest.mark.parametrize("folder", OVERLAYS)
def test_probes_ask_for_what_they_decide_on(folder: str) -> None:
    serving, gateway = (
        find(folder, "Deployment", name)["spec"]["template"]["spec"]["containers"][0] for name in ("serving", "gateway")
    )
    ready = {"command": ["bash", "/probe/probe.sh", "bert_mlm"]}
    assert serving["startupProbe"]["exec"] == serving["readinessProbe"]["exec"] == ready
    assert serving["livenessProbe"]["grpc"] == {"port": 8500, "service": "ModelService"}
    assert gateway["readinessProbe"]["httpGet"]["path"] == "/readyz"
    # a gateway without a model server must not be restarted
    assert gateway["livenessProbe"]["httpGet"]["path"] == gateway["startupProbe"]["httpGet"]["path"] == "/"


@pytest.mark.parametrize("folder", OVERLAYS)
def test_every_deployment_has_one_disruption_budget_and_survives_a_drain(folder: str) -> None:
    deployments = {one["metadata"]["name"]: one for one in objects(folder, "Deployment")}
    selected = [one["spec"]["selector"]["matchLabels"] for one in objects(folder, "PodDisruptionBudget")]
    for name, one in deployments.items():
        labels = one["spec"]["template"]["metadata"]["labels"]
        assert [chosen for chosen in selected if chosen.items() <= labels.items()] == [{"app.kubernetes.io/name": name}]
        assert one["spec"].get("replicas", 2) >= 2
        for spread in one["spec"]["template"]["spec"]["topologySpreadConstraints"]:
            assert (spread["whenUnsatisfiable"], spread["nodeTaintsPolicy"]) == ("ScheduleAnyway", "Honor")
            assert spread["labelSelector"]["matchLabels"].items() <= labels.items()


def peers(policy: Object, direction: str) -> list[tuple[Any, Any]]:
    key = {"ingress": "from", "egress": "to"}[direction]
    return [(peer, rule["ports"]) for rule in policy["spec"].get(direction, []) for peer in rule[key]]


@pytest.mark.parametrize("folder", OVERLAYS)
def test_only_what_is_named_may_connect(folder: str) -> None:
    everything = find(folder, "NetworkPolicy", "default")["spec"]
    assert everything == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    serving = find(folder, "NetworkPolicy", "serving")
    gateway, monitoring = peers(serving, "ingress")
    assert gateway == ({"podSelector": {"matchLabels": {"app.kubernetes.io/name": "gateway"}}}, [{"port": 8500}])
    # Prometheus's pods have no label of ours
    assert monitoring == (
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}},
        [{"port": 8501}],
    )
    assert peers(serving, "egress") == []


def test_the_autoscaler_owns_the_number_of_gateways_and_asks_for_metrics_that_are_there() -> None:
    folder = "overlays/production"
    (scaler,) = objects(folder, "HorizontalPodAutoscaler")
    assert "replicas" not in find(folder, "Deployment", "gateway")["spec"]
    names = {metric["pods"]["metric"]["name"] for metric in scaler["spec"]["metrics"]}
    metrics = (ROOT / "deploy/gateway/telemetry/metrics.py").read_text("utf-8")
    assert all(f'MetricDefinition("gauge", "{name}"' in metrics for name in names)
    (rule,) = YAML(typ="safe").load(FOLDER / "components/metrics/adapter-values.yaml")["rules"]["custom"]
    (pattern,) = re.findall(r'__name__=~"([^"]+)"', rule["seriesQuery"])
    assert all(re.fullmatch(pattern, name) for name in names)


def test_monitors_find_services_and_their_ports() -> None:
    folder = "overlays/production"
    for monitor in objects(folder, "ServiceMonitor"):
        (service,) = (
            one
            for one in objects(folder, "Service")
            if monitor["spec"]["selector"]["matchLabels"].items() <= one["metadata"]["labels"].items()
        )
        ports = {port["name"] for port in service["spec"]["ports"]}
        assert {endpoint["port"] for endpoint in monitor["spec"]["endpoints"]} <= ports


def test_alert_rules_are_those_of_prometheus() -> None:
    (rules,) = objects("overlays/production", "PrometheusRule")
    assert rules["spec"] == YAML(typ="safe").load(ROOT / "deploy/prometheus/rules/gateway.yml")


def test_kserve_gets_the_model_by_its_name_and_from_the_folder_above_the_versions() -> None:
    (service,) = objects("kserve", "InferenceService")
    (container,) = runtime()["containers"]
    assert service["metadata"]["annotations"] == {"serving.kserve.io/deploymentMode": "Standard"}
    assert service["spec"]["predictor"]["model"]["storageUri"].endswith("/bert_mlm")
    assert {"--model_name=bert_mlm", "--model_base_path=/mnt/models"} <= set(container["args"])
    assert [port["name"] for port in container["ports"]] == ["http1", "h2c-grpc"]
    assert (
        service["spec"]["predictor"]["model"]["runtime"] == objects("kserve", "ServingRuntime")[0]["metadata"]["name"]
    )


def test_every_component_is_in_an_overlay_or_documented() -> None:
    readme = (FOLDER / "README.md").read_text("utf-8")
    for component in (FOLDER / "components").iterdir():
        assert f"components/{component.name}" in readme


@pytest.mark.parametrize("folder", OVERLAYS)
def test_every_mounted_file_and_claim_is_there(folder: str) -> None:
    maps = {one["metadata"]["name"]: one["data"] for one in objects(folder, "ConfigMap")}
    claims = {one["metadata"]["name"] for one in objects(folder, "PersistentVolumeClaim")}
    for _, pod in pods(folder):
        for volume in pod["volumes"]:
            if "configMap" in volume:
                assert volume["configMap"]["name"] in maps
            if "persistentVolumeClaim" in volume:
                assert volume["persistentVolumeClaim"]["claimName"] in claims
        mounted = {mount["name"] for container in containers(pod) for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["volumes"]}
    assert any("models.config" in data for data in maps.values())
    assert render(folder)
