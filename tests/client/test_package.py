"""Content and cost of installing and importing the package."""

import ast
import importlib.metadata
import subprocess
import sys
import tomllib
from pathlib import Path
from zipfile import ZipFile

import bert_mlm_client
import pytest
from bert_mlm_client import errors
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
HEAVY = {"grpc", "httpcore2", "httpx2", "rich", "shtab", "tensorflow", "tokenizers", "torch", "transformers"}
DISTRIBUTIONS = {"google.protobuf": "protobuf", "grpc": "grpcio"}  # the others have the name of their module
MAX_WHEEL_BYTES = 150_000  # 22 kB more with the classifier's clients, CSV and the help's examples
MAX_IMPORT_MB = 60


def output(code: str, environment: dict[str, str]) -> str:
    """Return a program's output, with warnings as errors."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, env=environment, check=True
    ).stdout


def modules_after(code: str, environment: dict[str, str]) -> set[str]:
    printed = output(f"{code}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})", environment)
    return set(printed.split())


def imported() -> set[str]:
    """Return the third-party top-level modules that the source imports."""
    sources = Path(bert_mlm_client.__file__).parent.rglob("*.py")
    nodes = [node for path in sources for node in ast.walk(ast.parse(path.read_text()))]
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
    modules = {".".join(name.split(".")[:2]) if name.startswith("google") else name.split(".")[0] for name in names}
    return modules - sys.stdlib_module_names - {"bert_mlm_client"}


def dependencies(name: str) -> set[str]:
    """Return the transitive dependencies of a distribution."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for line in importlib.metadata.requires(waiting.pop()) or []:
            requirement = Requirement(line)
            wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
            if wanted and requirement.name not in found:
                found.add(requirement.name)
                waiting.append(requirement.name)
    return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT / "client", capture_output=True, check=True)
    [path] = folder.glob("*.whl")
    return path


def test_the_wheel_is_small(wheel: Path) -> None:
    assert wheel.stat().st_size < MAX_WHEEL_BYTES


def test_the_wheel_has_the_package_and_nothing_else(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
    package = Path(bert_mlm_client.__file__).parent
    sources = {f"bert_mlm_client/{path.relative_to(package)}" for path in package.rglob("*.py")}
    assert sources | {"bert_mlm_client/py.typed"} <= set(names)
    assert {name.partition("/")[0] for name in names} == {"bert_mlm_client"}


def test_importing_the_package_loads_only_itself(environment: dict[str, str]) -> None:
    others = modules_after("pass", environment) | sys.stdlib_module_names
    assert modules_after("import bert_mlm_client", environment) - others == {"bert_mlm_client"}


def test_importing_all_names_loads_no_heavy_library(environment: dict[str, str]) -> None:
    assert not modules_after("from bert_mlm_client import *", environment) & HEAVY


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux has a process's memory as a file")
def test_importing_takes_little_memory(environment: dict[str, str]) -> None:
    code = "from bert_mlm_client import *\nprint(open('/proc/self/status').read())"
    status = dict(line.split(":", 1) for line in output(code, environment).splitlines() if ":" in line)
    assert int(status["VmHWM"].removesuffix("kB")) / 1024 < MAX_IMPORT_MB


@pytest.mark.parametrize(
    ("fixture", "loaded"), [("grpc_url", {"grpc", "tokenizers"}), ("rest_url", {"httpcore2", "tokenizers"})]
)
def test_a_request_loads_only_the_libraries_of_its_protocol(
    request: pytest.FixtureRequest, environment: dict[str, str], fixture: str, loaded: set[str]
) -> None:
    url = request.getfixturevalue(fixture)
    code = f"import bert_mlm_client\nbert_mlm_client.FillMask({url!r}).fill('[MASK]')"
    assert modules_after(code, environment) & HEAVY == loaded


def test_every_error_is_public_and_every_public_name_exists() -> None:
    raised = {name for name, kind in vars(errors).items() if isinstance(kind, type)}
    assert raised <= set(bert_mlm_client.__all__)
    assert all(hasattr(bert_mlm_client, name) for name in bert_mlm_client.__all__)


def test_the_dependencies_are_the_libraries_that_are_imported() -> None:
    project = tomllib.loads((ROOT / "client" / "pyproject.toml").read_text())["project"]
    listed = [*project["dependencies"], *project["optional-dependencies"]["onnx"]]
    named = {Requirement(dependency).name for dependency in listed}
    assert named == {DISTRIBUTIONS.get(module, module) for module in imported()}


def test_nothing_heavy_is_installed_with_it() -> None:
    installed = dependencies("bert-mlm-client")
    assert "numpy" in installed
    assert not {name for name in installed if name.startswith(("tensorflow", "torch", "transformers", "onnx"))}


def test_a_users_program_type_checks_strictly(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_bytes((ROOT / "tests" / "client" / "sample_program.py").read_bytes())
    options = ["--strict", "--config-file=", f"--cache-dir={ROOT / '.mypy_cache' / 'sample_program'}"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, "program.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.startswith("Success"), done.stdout + done.stderr
