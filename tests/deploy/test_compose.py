"""Test the compose files and .env.example for consistency and closed ports."""

import re
import shutil
import subprocess
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from deploy.elasticsearch import passwords
from deploy.embedded import flags
from deploy.embedded.lifecycle.config import read_models
from deploy.gateway.settings import Settings, describe
from tests.support.settings import settings_from

ROOT = Path(__file__).parents[2]
FILES = sorted(ROOT.glob("docker-compose*.yml"))
VARIANTS = ["", "gpu", "embedded", "light"]
REPLACED_WHEN_MERGED = {"command", "entrypoint", "test"}
# No settings of .env: where things are for the gateway's container, and what its image says.
PLACES = {"SERVING_URL": "grpc://serving:8500", "GATEWAY_MODEL_FOLDER": "/models/bert_mlm"}
OF_THE_IMAGE = {"GATEWAY_HOST", "GATEWAY_LOG_FOLDER", "MODEL_NAME", "GATEWAY_ENGINE", "GATEWAY_ENGINE_THREADS"}
VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")

Compose = dict[str, Any]


@cache
def load(path: Path) -> Compose:
    """Return a file's content, which no caller changes."""
    document: Compose = YAML(typ="safe").load(path)
    return document


def merge(base: Any, override: Any, key: str = "") -> Any:
    """Lay one compose file over another, as compose does."""
    if isinstance(base, dict) and isinstance(override, dict):
        return {**base, **{name: merge(base.get(name), value, name) for name, value in override.items()}}
    if isinstance(base, list) and isinstance(override, list) and key not in REPLACED_WHEN_MERGED:
        return base + override
    return override


def variant(name: str) -> Compose:
    base = load(ROOT / "docker-compose.yml")
    return merge(base, load(ROOT / f"docker-compose.{name}.yml")) if name else base


def with_defaults(value: str) -> str:
    return VARIABLE.sub(lambda match: match[2] or "", value)


def mebibytes(size: str) -> int:
    number, unit = re.fullmatch(r"(\d+)([mg])", with_defaults(size)).groups()  # type: ignore[union-attr]
    return int(number) * {"m": 1, "g": 1024}[unit]


def services() -> list[Any]:
    return [
        pytest.param(service, id=f"{name or 'plain'}-{service_name}")
        for name in VARIANTS
        for service_name, service in variant(name)["services"].items()
    ]


def settings() -> dict[str, str]:
    lines = (ROOT / ".env.example").read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def validate(path: Path) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_file_is_valid(path: Path) -> None:
    validate(path)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_is_valid_when_merged(name: str, tmp_path: Path) -> None:
    merged = tmp_path / "merged.yml"
    YAML(typ="safe").dump(variant(name), merged)
    validate(merged)


@pytest.mark.parametrize("name", VARIANTS)
def test_compose_itself_accepts_every_variant_without_an_env_file(name: str, tmp_path: Path) -> None:
    compose = compose_command()
    files = ["docker-compose.yml", *([f"docker-compose.{name}.yml"] if name else [])]
    for file in files:
        shutil.copy(ROOT / file, tmp_path)
    command = [*compose, *(part for file in files for part in ("-f", file)), "config"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "not set" not in result.stderr


def compose_command() -> list[str]:
    if shutil.which("docker"):
        plugin = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
        if plugin.returncode == 0:
            return ["docker", "compose"]
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    pytest.skip("neither `docker compose` nor docker-compose is installed")


def test_every_setting_of_the_example_is_used_and_every_one_used_is_there_with_the_same_default() -> None:
    used = {match for path in FILES for match in VARIABLE.findall(path.read_text("utf-8"))}
    assert used == set(settings().items())


def test_every_setting_has_a_comment_above_it() -> None:
    lines = (ROOT / ".env.example").read_text("utf-8").splitlines()
    above = {line: before for before, line in pairwise(lines) if line and not line.startswith("#")}
    assert all(comment.startswith("# ") for comment in above.values())


def comments() -> dict[str, str]:
    """Return the comment above each setting of .env.example, as one line."""
    found: dict[str, str] = {}
    said: list[str] = []
    for line in (ROOT / ".env.example").read_text("utf-8").splitlines():
        if line.startswith("# "):
            said.append(line.removeprefix("# "))
            continue
        found[line.partition("=")[0]] = " ".join(said)
        said = []
    return found


def of_the_gateway() -> dict[str, tuple[str, str]]:
    """Return default and meaning of the gateway's settings that are .env's, too."""
    return {name: (default, about) for name, default, about in describe() if name not in {*PLACES, *OF_THE_IMAGE}}


def test_every_setting_of_the_gateway_has_its_default_and_its_meaning_in_the_example() -> None:
    listed, said = settings(), comments()
    for name, (default, about) in of_the_gateway().items():
        assert listed.get(name) == default, name
        if name != "GATEWAY_PORT":  # which is this host's here
            assert said[name].lower().startswith(about.lower()), name


@pytest.mark.parametrize("name", VARIANTS)
def test_the_gateway_is_given_every_setting_of_its_own(name: str) -> None:
    given = variant(name)["services"]["gateway"]["environment"]
    defaults = {setting: f"${{{setting}:-{default}}}" for setting, (default, _) in of_the_gateway().items()}
    del defaults["GATEWAY_PORT"]  # in the container it is always the same
    assert given == PLACES | defaults


def test_the_gateway_accepts_what_it_is_given_by_default() -> None:
    given = {
        setting: with_defaults(value) for setting, value in variant("")["services"]["gateway"]["environment"].items()
    }
    loaded = settings_from(given)
    assert loaded.serving_url == ("grpc://serving:8500",)
    changed = {name for name in Settings.model_fields if getattr(loaded, name) != getattr(settings_from({}), name)}
    assert changed == {"serving_url", "model_folder"}


def test_no_secret_has_a_value_in_what_is_shared() -> None:
    secret = {name for name in settings() if re.search(r"KEYS?$|TOKEN$|PASSWORD$", name)} - {"GATEWAY_METRICS_KEY"}
    assert secret > set(passwords.NAMES)
    assert {settings()[name] for name in secret} == {""}


@pytest.mark.parametrize("name", VARIANTS)
def test_the_servers_resources_are_measured_in_its_process_namespace(name: str) -> None:
    services = variant(name)["services"]
    meter, gateway = services["server-resources"], services["gateway"]
    (argument,) = meter["command"]
    assert any(argument.removeprefix("--process=") in part for part in services["serving"]["entrypoint"])
    assert meter["pid"] == "service:serving"
    assert "pid" not in gateway, "it would end with the server"
    assert meter["user"] == services["serving"]["user"]
    assert meter["environment"].items() <= gateway["environment"].items()
    assert meter["volumes"] == ["logs:/logs"]
    assert meter["healthcheck"] == {"disable": True}  # its image's is the gateway's


def test_requests_in_flight_get_their_time_before_the_gateway_is_killed() -> None:
    service = variant("")["services"]["gateway"]
    assert service["stop_grace_period"] == "1m"
    assert settings_from({}).grace_s <= 30
    assert service["init"] is True


@pytest.mark.parametrize("name", VARIANTS)
def test_the_gateway_is_healthy_if_its_own_probe_says_so_and_writes_its_log_alone(name: str) -> None:
    service = variant(name)["services"]["gateway"]
    assert service["healthcheck"]["test"] == ["CMD", "python", "-m", "deploy.gateway.probe"]
    writable = [volume for volume in service["volumes"] if "ro" not in volume.split(":")[-1].split(",")]
    assert writable == ["logs:/logs"]
    assert "logs" in variant(name)["volumes"]
    assert service["ports"] == ["127.0.0.1:${GATEWAY_PORT:-8000}:8000"]


@pytest.mark.parametrize("service", services())
def test_ports_are_published_on_this_host_only(service: Compose) -> None:
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


@pytest.mark.parametrize("service", services())
def test_no_service_runs_as_root_or_can_become_it(service: Compose) -> None:
    user = with_defaults(service["user"]).split(":")[0]
    assert user not in {"", "0", "root"}
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "no-new-privileges:true" in service["security_opt"]
    assert not service.get("privileged")


@pytest.mark.parametrize("service", services())
def test_no_service_can_change_its_root_file_system_or_fill_the_disk_with_its_log(service: Compose) -> None:
    # These two write into the folder of their configuration when they start.
    elastics = ("docker.elastic.co/elasticsearch/", "docker.elastic.co/kibana/")
    assert service.get("read_only") is (None if service["image"].startswith(elastics) else True)
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}


@pytest.mark.parametrize("service", services())
def test_every_service_has_a_limit_of_memory(service: Compose) -> None:
    assert mebibytes(service["mem_limit"]) > 0


@pytest.mark.parametrize("service", services())
def test_what_is_mounted_from_the_repository_exists(service: Compose) -> None:
    sources = [volume.split(":")[0] for volume in service.get("volumes", [])]
    assert all((ROOT / source).exists() for source in sources if source.startswith("."))


@pytest.mark.parametrize("name", VARIANTS)
def test_serving_changes_nothing_on_the_host(name: str) -> None:
    volumes = variant(name)["services"]["serving"]["volumes"]
    writable = [volume for volume in volumes if "ro" not in volume.split(":")[-1].split(",")]
    assert writable == ["serving-logs:/logs"]
    options = variant(name)["volumes"]["serving-logs"]["driver_opts"]
    assert options["type"] == "tmpfs"
    assert f"uid={variant(name)['services']['serving']['user'].split(':')[0]}," in options["o"]


def test_exports_are_written_where_serving_reads_them() -> None:
    plain = variant("")["services"]
    (source,) = (volume for volume in plain["export"]["volumes"] if volume.split(":")[1] == "/app/models")
    assert source.split(":")[0] == "./models"
    assert "./models:/models:ro,z" in plain["serving"]["volumes"]


@pytest.mark.parametrize("name", VARIANTS)
def test_every_file_that_serving_is_told_to_read_is_mounted(name: str) -> None:
    service = variant(name)["services"]["serving"]
    mounts = {volume.split(":")[1]: ROOT / volume.split(":")[0] for volume in service["volumes"]}
    named = [with_defaults(part.split("=", 1)[-1]) for part in service["command"] + service["healthcheck"]["test"]]
    paths = [Path(part) for part in named if part.startswith("/")]
    assert len(paths) == (3 if name == "light" else 4)
    for path in paths:
        mount = next(mount for mount in mounts if path.is_relative_to(mount))
        assert (mounts[mount] / path.relative_to(mount)).is_file()


def test_the_embedded_server_accepts_the_command_line() -> None:
    service = variant("embedded")["services"]["serving"]
    *program, host = service["entrypoint"]
    parsed = flags.parse([host, *map(with_defaults, service["command"])])
    assert program == ["bash", "/log.sh", "python", "-m", "deploy.embedded"]
    assert (parsed.host, parsed.port, parsed.rest_api_port) == ("0.0.0.0", 8500, 8501)
    assert parsed.tensorflow_intra_op_parallelism == 0


def test_the_light_engine_is_told_the_same_but_batches_by_its_own_rules() -> None:
    service = variant("light")["services"]["serving"]
    *program, host, engine = service["entrypoint"]
    parsed = flags.parse([host, engine, *map(with_defaults, service["command"])])
    assert program == ["bash", "/log.sh", "python", "-m", "deploy.embedded"]
    assert (parsed.engine, parsed.enable_batching, parsed.batching_parameters_file) == ("onnx", None, None)
    left_out = {"--enable_batching=true", "--batching_parameters_file=/models/batching.config"}
    assert set(variant("")["services"]["serving"]["command"]) - set(service["command"]) == left_out
    assert not set(service["command"]) - set(variant("")["services"]["serving"]["command"])


@pytest.mark.parametrize("name", ["", "gpu"])
def test_tensorflow_serving_gets_no_flag_of_the_embedded_server(name: str) -> None:
    service = variant(name)["services"]["serving"]
    assert service["entrypoint"] == ["bash", "/log.sh", "/usr/bin/tensorflow_model_server"]
    assert not any(part.startswith("--host") for part in service["command"])


def test_metrics_are_a_profile_with_pinned_images_bounded_memory_and_bounded_disk() -> None:
    plain = variant("")
    names = {name for name, service in plain["services"].items() if service.get("profiles") == ["metrics"]}
    assert names == {"prometheus", "alertmanager"}
    for name in names:
        service = plain["services"][name]
        assert re.fullmatch(rf"prom/{name}:v\d+\.\d+\.\d+", with_defaults(service["image"]))
        assert re.fullmatch(r"\d+m", with_defaults(service["mem_limit"]))
        writable = [volume.split(":")[0] for volume in service["volumes"] if volume.count(":") == 1]
        assert writable == [name]
        assert name in plain["volumes"]
        port = with_defaults(service["ports"][0]).rpartition(":")[2]
        assert f"http://127.0.0.1:{port}/-/ready" in service["healthcheck"]["test"]
    flags_of_prometheus = "\n".join(plain["services"]["prometheus"]["command"])
    assert "--storage.tsdb.retention.time=" in flags_of_prometheus
    assert "--storage.tsdb.retention.size=" in flags_of_prometheus


def test_prometheus_and_alertmanager_find_their_files_and_each_other() -> None:
    services_of_compose = variant("")["services"]
    for name in ("prometheus", "alertmanager"):
        service = services_of_compose[name]
        [config] = [part.partition("=")[2] for part in service["command"] if part.startswith("--config.file=")]
        mounts = {volume.split(":")[1]: volume.split(":")[0] for volume in service["volumes"]}
        assert (ROOT / mounts[config]).is_file()
    document = load(ROOT / "deploy/prometheus/prometheus.yml")
    [alertmanagers] = document["alerting"]["alertmanagers"][0]["static_configs"]
    assert alertmanagers["targets"] == ["alertmanager:9093"]
    assert document["rule_files"] == ["rules/*.yml"]
    assert "./deploy/prometheus/rules:/etc/prometheus/rules:ro,z" in services_of_compose["prometheus"]["volumes"]


def test_the_probe_asks_for_the_model_that_is_served() -> None:
    (model,) = read_models(ROOT / "models/models.config")
    assert variant("")["services"]["serving"]["healthcheck"]["test"] == ["CMD", "bash", "/probe.sh", model.name]
