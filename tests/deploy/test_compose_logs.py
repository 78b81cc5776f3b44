"""Test the profile ``logs`` of docker-compose.yml."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.elasticsearch import passwords
from deploy.elasticsearch.__main__ import main as elasticsearch_setup
from deploy.kibana.__main__ import main as kibana_setup
from tests.deploy.test_compose import ROOT, Compose, load, mebibytes, settings

FILE = load(ROOT / "docker-compose.yml")
PROFILE = {name: service for name, service in FILE["services"].items() if service.get("profiles") == ["logs"]}
JOBS = {name for name, service in PROFILE.items() if "restart" not in service}
VARIABLE_OF_A_FILE = re.compile(r"\$\{(\w+)(?::([^}]*))?\}")


def depends_on(name: str) -> dict[str, str]:
    return {other: one["condition"] for other, one in PROFILE[name].get("depends_on", {}).items()}


def test_the_profile_has_the_stack_and_its_jobs() -> None:
    assert {"passwords", "elasticsearch-setup", "kibana-setup"} == JOBS
    assert PROFILE.keys() - JOBS == {"elasticsearch", "kibana", "filebeat"}


def test_nothing_outside_the_profile_depends_on_it() -> None:
    others = FILE["services"].keys() - PROFILE.keys()
    assert not any(set(FILE["services"][name].get("depends_on", ())) & PROFILE.keys() for name in others)


def test_nothing_starts_before_the_passwords_are_checked() -> None:
    for name in PROFILE.keys() - {"passwords"}:
        reached, waiting = set[str](), [name]
        while waiting:
            reached.add(one := waiting.pop())
            waiting += depends_on(one)
        assert "passwords" in reached, name


def test_wait_waits_for_every_job_because_a_service_depends_on_it() -> None:
    awaited = {
        other
        for name in PROFILE
        for other, condition in depends_on(name).items()
        if condition == "service_completed_successfully"
    }
    assert awaited == JOBS


def test_filebeat_starts_after_the_templates() -> None:
    assert depends_on("filebeat")["elasticsearch-setup"] == "service_completed_successfully"


def test_every_password_is_checked_and_given_to_those_who_need_it() -> None:
    assert PROFILE["passwords"]["environment"].keys() == set(passwords.NAMES)
    assert "OPERATOR_PASSWORD" in PROFILE["kibana-setup"]["environment"]
    superuser = {name for name, service in PROFILE.items() if "ELASTIC_PASSWORD" in service.get("environment", {})}
    assert superuser == {"passwords", "elasticsearch", "elasticsearch-setup"}
    assert set(PROFILE["filebeat"]["environment"]) & set(passwords.NAMES) == {"FILEBEAT_PASSWORD"}


def test_the_defaults_are_refused() -> None:
    assert passwords.weakness(settings()) is not None


def test_one_version_pins_the_stack() -> None:
    images = [service["image"] for service in PROFILE.values() if "docker.elastic.co" in service["image"]]
    assert len(images) == 3
    assert all(image.endswith(":${ELASTIC_VERSION:-8.19.21}") for image in images)


def test_the_stack_and_the_gateway_leave_3_gb_of_8_to_the_model_server() -> None:
    stack = sum(mebibytes(PROFILE[name]["mem_limit"]) for name in PROFILE.keys() - JOBS)
    assert stack + mebibytes(FILE["services"]["gateway"]["mem_limit"]) <= 5 * 1024
    heap = mebibytes(settings()["ELASTICSEARCH_HEAP"])
    assert 2 * heap <= mebibytes(PROFILE["elasticsearch"]["mem_limit"])


@pytest.mark.parametrize(
    ("service", "file", "own"),
    [
        ("filebeat", "deploy/filebeat/filebeat.yml", {"FILEBEAT_USER", "LOGS_NAMESPACE"}),
        ("kibana", "deploy/kibana/kibana.yml", set[str]()),
    ],
)
def test_every_variable_of_a_mounted_file_is_given(service: str, file: str, own: set[str]) -> None:
    text = (ROOT / file).read_text("utf-8")
    used = dict(VARIABLE_OF_A_FILE.findall(text))
    assert used.keys() == PROFILE[service]["environment"].keys() | own
    assert all(used[name] for name in own), "has a default"
    mounted = {volume.split(":")[0] for volume in PROFILE[service]["volumes"]}
    assert f"./{file}" in mounted


def test_filebeat_reads_what_gateway_and_server_write_and_changes_neither() -> None:
    filebeat: Compose = PROFILE["filebeat"]
    mounts = {volume.split(":")[0]: volume.split(":")[1:] for volume in filebeat["volumes"]}
    assert mounts["logs"] == [filebeat["environment"]["GATEWAY_LOG_FOLDER"], "ro"]
    assert mounts["serving-logs"] == [filebeat["environment"]["SERVING_LOG_FOLDER"], "ro"]
    assert "logs:/logs" in FILE["services"]["gateway"]["volumes"]
    writers = {FILE["services"][name]["user"].split(":")[0] for name in ("gateway", "serving")}
    assert {filebeat["user"].split(":")[0]} == writers


def test_data_are_in_volumes() -> None:
    for name in ("elasticsearch", "kibana", "filebeat"):
        (volume,) = (one for one in PROFILE[name]["volumes"] if one.split(":")[1].endswith("/data"))
        assert volume.split(":")[0] in FILE["volumes"]


@pytest.mark.parametrize(("job", "run"), [("elasticsearch-setup", elasticsearch_setup), ("kibana-setup", kibana_setup)])
def test_the_setups_accept_their_command_lines(
    job: str, run: Callable[[list[str]], int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in passwords.NAMES:
        monkeypatch.delenv(name, raising=False)
    assert PROFILE[job]["entrypoint"][:2] == ["python", "-m"]
    command = [part.replace("${LOGS_RETENTION:-30d}", "30d") for part in PROFILE[job]["command"]]
    nowhere = [re.sub(r"^--url=http://.*", "--url=http://127.0.0.1:1", part) for part in command]
    assert run([*nowhere, "--wait-s=0"]) == 1
    assert "cannot be reached" in capsys.readouterr().err


def test_the_setup_jobs_are_in_the_gateways_image() -> None:
    dockerfile = (ROOT / "deploy/gateway/Dockerfile").read_text("utf-8")
    for folder in ("deploy/elasticsearch", "deploy/kibana"):
        assert f"COPY {folder} {folder}\n" in dockerfile
        assert Path(ROOT / folder / "__main__.py").is_file()
