"""Check the Dockerfiles and .dockerignore without a build."""

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("deploy/batch", "deploy/embedded", "deploy/gateway", "export")
DOCKERFILES = [ROOT / folder / "Dockerfile" for folder in FOLDERS]
APPLICATIONS = {"deploy", "export", "loadtest", "models", "tests"}

pytestmark = pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.parent.name)


def instructions(dockerfile: Path, name: str) -> list[str]:
    text = dockerfile.read_text("utf-8").replace("\\\n", " ")
    return [line.removeprefix(f"{name} ") for line in text.splitlines() if line.startswith(f"{name} ")]


def copied(dockerfile: Path) -> list[str]:
    commands = [line.split() for line in instructions(dockerfile, "COPY") if not line.startswith("--from")]
    return [source for command in commands for source in command[:-1]]


def imported(module: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_every_stage_starts_from_the_base_that_a_build_argument_names(dockerfile: Path) -> None:
    stages = [line.split()[0] for line in instructions(dockerfile, "FROM")]
    assert set(stages) == {"${PYTHON_IMAGE}"}
    assert "PYTHON_IMAGE=python:3.11-slim-bookworm" in instructions(dockerfile, "ARG")


def test_the_image_does_not_run_as_root_and_says_so_by_number(dockerfile: Path) -> None:
    user, group = instructions(dockerfile, "USER")[-1].split(":")
    assert int(user) > 0
    assert int(group) > 0


def test_every_installation_follows_the_constraints(dockerfile: Path) -> None:
    installs = re.findall(r"pip\b[^&]* install ([^&]*)", " && ".join(instructions(dockerfile, "RUN")))
    assert len(installs) == 3
    assert all(options.startswith("-c constraints.txt ") for options in installs)


def test_no_package_index_is_written_into_it(dockerfile: Path) -> None:
    assert "://" not in dockerfile.read_text("utf-8")


def test_what_it_copies_exists_and_is_let_into_the_build(dockerfile: Path) -> None:
    first, *patterns = [
        line for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line and line[0] != "#"
    ]
    assert first == "*"
    allowed = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    for source in copied(dockerfile):
        assert (ROOT / source).exists()
        assert any(fnmatch(source, pattern) for pattern in allowed)


def test_what_it_copies_imports_nothing_of_this_repository_that_stays_outside(dockerfile: Path) -> None:
    inside = [source.replace("/", ".") for source in copied(dockerfile)]
    modules = [module for source in copied(dockerfile) for module in (ROOT / source).rglob("*.py")]
    own = {name for module in modules for name in imported(module) if name.split(".")[0] in APPLICATIONS}
    assert {name for name in own if not any(f"{name}.".startswith(f"{folder}.") for folder in inside)} == set()


@pytest.mark.parametrize(
    ("library", "setting"),
    [
        ("bert_mlm_client.onnx_runtime", "ORT_DISABLE_TELEMETRY=1"),
        ("huggingface_hub", "HF_HUB_DISABLE_TELEMETRY=1"),
    ],
)
def test_the_telemetry_of_what_it_runs_is_disabled(dockerfile: Path, library: str, setting: str) -> None:
    modules = [
        module for source in copied(dockerfile) if source != "client" for module in (ROOT / source).rglob("*.py")
    ]
    used = any(library in imported(module) for module in modules)
    assert used == (setting in " ".join(instructions(dockerfile, "ENV")).split())


def test_labels_tell_version_revision_and_licence(dockerfile: Path) -> None:
    labels = " ".join(instructions(dockerfile, "LABEL"))
    for name, value in (
        ("version", "$BERT_MLM_VERSION"),
        ("revision", "$BERT_MLM_REVISION"),
        ("licenses", '"Apache-2.0"'),
    ):
        assert f"org.opencontainers.image.{name}={value}" in labels
