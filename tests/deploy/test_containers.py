"""Test export, server and gateway as containers.

Runs where asked for, `CONTAINERS=1 make test`: building the images takes minutes, gigabytes and a package index.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener
from uuid import uuid4

import pytest
from bert_mlm_client import FillMask

from tests.conftest import TINY
from tests.support.ports import free_port

ROOT = Path(__file__).parents[2]
# The job writes as this user: the one who runs the tests, or some other where that is root.
OWNER = os.getuid() or 1234
WITHIN_S = 120
SERVICES = ["serving", "gateway"]
SENTENCE = "床前[MASK]月光。"


def why_not() -> str:
    """Return what is missing here, or nothing."""
    if os.environ.get("CONTAINERS") != "1":
        return "CONTAINERS=1 was not set: the images would be built, which takes minutes and gigabytes"
    if shutil.which("docker") is None:
        return "docker is not installed"
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        return "no Docker engine answers"
    if not compose_command():
        return "neither `docker compose` nor docker-compose is installed"
    return ""


def compose_command() -> list[str]:
    if not subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode:
        return ["docker", "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") else []


MISSING = why_not()
pytestmark = [pytest.mark.skipif(bool(MISSING), reason=MISSING), pytest.mark.timeout(1800)]


def run(*command: str, cwd: Path = ROOT, env: dict[str, str] | None = None) -> str:
    result = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{' '.join(command)}\n{result.stdout[-4000:]}\n{result.stderr[-4000:]}"
    return result.stdout.strip()


@dataclass(frozen=True)
class Project:
    """The compose files in a separate folder, so that this repository's models/ is not changed."""

    folder: Path
    environment: dict[str, str]
    variant: str

    def compose(self, *arguments: str) -> str:
        files = ("docker-compose.yml", f"docker-compose.{self.variant}.yml", f"images.{self.variant}.yml")
        chosen = [part for file in files for part in ("-f", file)]
        return run(*compose_command(), *chosen, *arguments, cwd=self.folder, env=self.environment)

    def container(self, service: str) -> str:
        return self.compose("ps", "-a", "-q", service)

    def inside(self, service: str, *command: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["docker", "exec", self.container(service), *command], capture_output=True, text=True, check=False
        )

    def ask_gateway(self, path: str, document: Any = None) -> tuple[str, str]:
        """Return content type and text of an answer from the gateway's port on this host."""
        body = json.dumps(document).encode() if document else None
        address = f"http://127.0.0.1:{self.environment['GATEWAY_PORT']}{path}"
        request = Request(address, body, {"Content-Type": "application/json"} if body else {})
        with build_opener(ProxyHandler({})).open(request, timeout=30) as answer:
            return answer.headers.get_content_type(), answer.read().decode()


@pytest.fixture(scope="module")
def images() -> dict[str, str]:
    """Build all images; return their names."""
    passed = [part for name in ("PIP_INDEX_URL",) if name in os.environ for part in ("--build-arg", name)]
    builds = {
        "embedded": ("deploy/embedded/Dockerfile",),
        "light": ("deploy/embedded/Dockerfile", "--build-arg", "GROUP=light"),
        "export": ("export/Dockerfile",),
        "gateway": ("deploy/gateway/Dockerfile",),
    }
    tags = {name: f"bert-mlm-{name}:test" for name in builds}
    for name, (dockerfile, *arguments) in builds.items():
        run("docker", "build", "--network", "host", *passed, *arguments, "-f", dockerfile, "-t", tags[name], ".")
    return tags


@pytest.fixture(scope="module")
def folder(images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with the compose files, all that they mount, and a version that a container exported."""
    folder = tmp_path_factory.mktemp("project")
    variants = ("docker-compose.embedded.yml", "docker-compose.light.yml")
    for name in ("docker-compose.yml", *variants, "deploy/serving/probe.sh", "deploy/serving/log.sh"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    models = folder / "models"
    models.mkdir()
    for config in (ROOT / "models").glob("*.config"):
        shutil.copy(config, models)
    shutil.copytree(TINY, models / "tiny")
    if os.getuid() == 0:
        for path in (models, *models.rglob("*")):
            os.chown(path, OWNER, OWNER)
    for variant in ("embedded", "light"):
        chosen = {"serving": images[variant], "gateway": images["gateway"], "export": images["export"]}
        chosen["server-resources"] = images["gateway"]
        services = {"services": {service: {"image": image} for service, image in chosen.items()}}
        (folder / f"images.{variant}.yml").write_text(json.dumps(services), encoding="utf-8")
    exporting = a_project(folder, "embedded")
    try:
        exporting.compose("run", "--rm", "export")
    finally:
        exporting.compose("down", "--volumes")
    return folder


@pytest.fixture(scope="module", params=["embedded", "light"])
def project(folder: Path, request: pytest.FixtureRequest) -> Iterator[Project]:
    """Serve the version, behind the gateway."""
    project = a_project(folder, request.param)
    try:
        project.compose("up", "-d", "--no-build")
        for service in SERVICES:
            wait_until_healthy(project, service)
        yield project
    finally:
        project.compose("down", "--volumes")


def a_project(folder: Path, variant: str) -> Project:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "COMPOSE_PROJECT_NAME": f"test{uuid4().hex[:8]}",
        "GRPC_PORT": str(free_port()),
        "REST_PORT": str(free_port()),
        "GATEWAY_PORT": str(free_port()),
        "HOST_UID": str(OWNER),
        "HOST_GID": str(OWNER),
        "MODEL": "models/tiny",
    }
    return Project(folder, environment, variant)


def wait_until(condition: Callable[[], object], otherwise: Callable[[], str]) -> None:
    """Wait until a condition holds; inspecting a container is slow enough as an interval."""
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline, otherwise()


def wait_until_healthy(project: Project, service: str) -> None:
    container = project.container(service)
    wait_until(
        lambda: run("docker", "inspect", "-f", "{{.State.Health.Status}}", container) == "healthy",
        lambda: project.compose("logs", service),
    )


def stop(container: str) -> float:
    """Stop a container that must exit on SIGTERM; return the seconds without compose's own time."""
    start = time.monotonic()
    run("docker", "stop", container)
    took = time.monotonic() - start
    assert run("docker", "inspect", "-f", "{{.State.ExitCode}}", container) == "0"
    return took


def test_the_export_belongs_to_the_user_of_the_host(folder: Path) -> None:
    written = [*(folder / "models/bert_mlm").rglob("*")]
    assert written
    assert {path.stat().st_uid for path in written} == {OWNER}


@pytest.mark.parametrize("service", SERVICES)
def test_no_service_is_root_or_has_a_capability(project: Project, service: str) -> None:
    assert project.inside(service, "id", "-u").stdout.strip() == "10001"
    lines = project.inside(service, "cat", "/proc/1/status").stdout.splitlines()
    status = dict(line.split(":\t", 1) for line in lines)
    assert int(status["CapBnd"], 16) == 0
    assert status["NoNewPrivs"] == "1"


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("path", ["/anything", "/app/anything", "/models/anything"])
def test_no_service_can_write(project: Project, service: str, path: str) -> None:
    result = project.inside(service, "touch", path)
    assert result.returncode != 0
    assert "Read-only file system" in result.stderr


@pytest.mark.parametrize("service", SERVICES)
def test_its_ports_are_open_on_this_host_only(project: Project, service: str) -> None:
    container = project.container(service)
    bindings = json.loads(run("docker", "inspect", "-f", "{{json .HostConfig.PortBindings}}", container))
    assert {binding["HostIp"] for listed in bindings.values() for binding in listed} == {"127.0.0.1"}


@pytest.mark.parametrize(("scheme", "port"), [("grpc", "GRPC_PORT"), ("http", "REST_PORT")])
def test_it_answers_the_host(project: Project, scheme: str, port: str) -> None:
    with FillMask(f"{scheme}://127.0.0.1:{project.environment[port]}") as client:
        answers = client.fill(SENTENCE, top_k=3)
    assert len(answers) == 3


def test_it_is_healthy_only_for_a_model_that_it_serves(project: Project) -> None:
    assert project.inside("serving", "bash", "/probe.sh", "bert_mlm").returncode == 0
    assert project.inside("serving", "bash", "/probe.sh", "another").returncode == 1


def test_the_workbench_and_the_api_answer_the_host(project: Project) -> None:
    kind, page = project.ask_gateway("/")
    assert (kind, page[:15].lower()) == ("text/html", "<!doctype html>")
    _, answer = project.ask_gateway("/predict", {"text": SENTENCE, "top_k": 3})
    assert len(json.loads(answer)["results"]) == 3


def test_the_gateway_compares_answers_with_those_in_the_manifest_of_the_version(project: Project) -> None:
    def check() -> Any:
        return json.loads(project.ask_gateway("/healthz")[1])["consistency"]

    wait_until(check, lambda: "no check was made")
    assert check()["status"] == "success"


def test_each_sentence_is_a_line_in_the_volume_of_the_logs(project: Project) -> None:
    sentence = f"{project.variant}床前[MASK]月光。"
    project.ask_gateway("/predict", {"text": sentence})

    def lines() -> list[dict[str, Any]]:
        read = project.inside("gateway", "cat", "/logs/gateway.log").stdout.splitlines()
        return [line for line in map(json.loads, read) if line.get("input_text") == sentence]

    wait_until(lines, lambda: f"no line of {sentence!r}")
    (line,) = lines()
    assert (line["task"], line["model_version"]) == ("mask_prediction", 1)
    mounts = json.loads(run("docker", "inspect", "-f", "{{json .Mounts}}", project.container("gateway")))
    (kind,) = (mount["Type"] for mount in mounts if mount["Destination"] == "/logs")
    assert kind == "volume"


def test_the_server_stops_at_once_and_the_gateway_says_so(project: Project) -> None:
    assert stop(project.container("serving")) < 4
    probe = ("gateway", "python", "-m", "deploy.gateway.probe")
    wait_until(lambda: project.inside(*probe).returncode == 1, lambda: "the gateway says that it is ready")


def test_the_gateway_stops_at_once(project: Project) -> None:
    assert stop(project.container("gateway")) < 4
