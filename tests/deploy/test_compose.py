"""The compose files and .env.example: valid, in agreement with each other, and closed to the outside."""

import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from deploy.embedded import flags
from deploy.embedded.config import read_models

ROOT = Path(__file__).parents[2]
FILES = sorted(ROOT.glob("docker-compose*.yml"))
VARIANTS = ["", "gpu", "embedded", "light"]
REPLACED_WHEN_MERGED = {"command", "entrypoint", "test"}
VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")

Compose = dict[str, Any]


def load(path: Path) -> Compose:
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
    assert service["read_only"] is True
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}


@pytest.mark.parametrize("service", services())
def test_what_is_mounted_from_the_repository_exists(service: Compose) -> None:
    sources = [volume.split(":")[0] for volume in service["volumes"]]
    assert all((ROOT / source).exists() for source in sources if source.startswith("."))


@pytest.mark.parametrize("name", VARIANTS)
def test_serving_changes_nothing_on_the_host(name: str) -> None:
    volumes = variant(name)["services"]["serving"]["volumes"]
    assert all("ro" in volume.split(":")[2].split(",") for volume in volumes)


def test_exports_are_written_where_serving_reads_them() -> None:
    plain = variant("")["services"]
    (source,) = (volume for volume in plain["export"]["volumes"] if volume.split(":")[1] == "/app/models")
    assert source.split(":")[0] == "./models"
    assert "./models:/models:ro,z" in plain["serving"]["volumes"]


@pytest.mark.parametrize("name", VARIANTS)
def test_every_file_that_serving_is_told_to_read_is_mounted(name: str) -> None:
    service = variant(name)["services"]["serving"]
    mounts = {volume.split(":")[1]: ROOT / volume.split(":")[0] for volume in service["volumes"]}
    named = [part.split("=", 1)[-1] for part in service["command"] + service["healthcheck"]["test"]]
    paths = [Path(part) for part in named if part.startswith("/")]
    assert len(paths) == 4
    for path in paths:
        mount = next(mount for mount in mounts if path.is_relative_to(mount))
        assert (mounts[mount] / path.relative_to(mount)).is_file()


def test_the_embedded_server_accepts_the_command_line() -> None:
    service = variant("embedded")["services"]["serving"]
    *program, host = service["entrypoint"]
    parsed = flags.parse([host, *map(with_defaults, service["command"])])
    assert program == ["python", "-m", "deploy.embedded"]
    assert (parsed.host, parsed.port, parsed.rest_api_port) == ("0.0.0.0", 8500, 8501)
    assert parsed.tensorflow_intra_op_parallelism == 0


@pytest.mark.parametrize("name", ["", "gpu"])
def test_tensorflow_serving_gets_no_flag_of_the_embedded_server(name: str) -> None:
    service = variant(name)["services"]["serving"]
    assert service["entrypoint"] == ["/usr/bin/tensorflow_model_server"]
    assert not any(part.startswith("--host") for part in service["command"])


def test_the_probe_asks_for_the_model_that_is_served() -> None:
    (model,) = read_models(ROOT / "models/models.config")
    assert variant("")["services"]["serving"]["healthcheck"]["test"] == ["CMD", "bash", "/probe.sh", model.name]
