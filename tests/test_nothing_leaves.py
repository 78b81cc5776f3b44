"""No command of the README connects outside the machine.

The commands run as in the README, in a separate checkout, with an empty home folder, and without the variables of CI
(ONNX Runtime sends nothing if CI=true). Name look-ups and connections are recorded.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.checkout import ROOT, link_checkout
from tests.support.readme import python_programs, shell_commands
from tests.support.trap import Trap, open_trap

HUB = (
    "make run MODEL=google-bert/bert-base-chinese",
    "make run MODEL=hfl/chinese-roberta-wwm-ext",
    "make run MODEL=hfl/chinese-macbert-base",
    "make run MODEL=hfl/rbt3",
    "make export MODEL=google-bert/bert-base-chinese VERSION=2 PRECISION=bf16",
)
VERIFY = "make verify"
EMBEDDED = (
    ".venv/bin/python -m deploy.embedded --port=8500 --rest_api_port=8501 --model_name=bert_mlm "
    "--model_base_path=$PWD/models/bert_mlm"
)
ELSEWHERE = {
    "make run": "the fixture `service` runs it",
    "make run CLASSIFIER=genre": "trains for minutes; tests/deploy/local runs it in small",
    "make test": "is what runs this test",
    "make bench": "takes half an hour; tests/test_telemetry.py checks what it starts",
    "make export": "make run does it",
    "make verify VERSION=2": "as make verify",
    "python -m export --force": "names an option of what make run does",
    "python -m export --lower-case": "names an option of what make run does",
    "docker compose run --rm export": "tests/deploy/test_dockerfiles.py: the image sets the variables",
    'make torch TORCH_PIP_ARGS="--index-url URL"': "installs packages from the index that the user names",
    "make up LOGS=1": "tests/deploy/test_compose_logs.py checks what it starts",
    "make verify-logs": "takes minutes; tests/loadtest/test_log_pipeline.py runs it in small",
    "make up": "tests/deploy/test_dockerfiles.py: the images set the variables",
}
HANDLED = {*HUB, VERIFY, EMBEDDED, *ELSEWHERE}
"""All other commands of the README run while ``make run`` serves."""

MORE = ["make load RUN_TIME=2s USERS=3 P95_MS=60000"]
"""Commands of other READMEs."""

pytestmark = pytest.mark.timeout(900)  # the first test includes an export, and the machine may be busy

DOCUMENTED = (".keras/keras.json", *([".cache/matplotlib/fontlist-"] if find_spec("matplotlib") else []))
"""How the files in the home folder begin that the README lists; TensorFlow imports matplotlib if it is installed."""

PAGES = """
import sys
from loadtest.chromium import NoChromiumError, chromium
SERVICE = "http://127.0.0.1:8000/"
try:
    with chromium() as browser:
        page = browser.new_page()
        requested = []
        page.on("request", lambda request: requested.append(request.url))
        for name in ("", "dashboard", "docs"):
            page.goto(SERVICE + name, wait_until="networkidle")
        print("elsewhere:", *(url for url in requested if not url.startswith((SERVICE, "data:", "blob:"))))
except NoChromiumError as error:
    sys.exit(f"skip: {error}")
"""
"""Print the external requests of the service's pages; the browser resolves no names."""


@dataclass(frozen=True)
class Service:
    """The processes of ``make run``, in a trap."""

    trap: Trap
    checkout: Path


@contextmanager
def running(trap: Trap, checkout: Path, command: str, ready: str) -> Iterator[None]:
    """Run a server in a trap until it has printed a text."""
    process = trap.popen("bash", "-c", command, cwd=checkout, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    try:
        lines: list[str] = []
        while not lines or ready not in lines[-1]:
            lines.append(process.stdout.readline())
            assert lines[-1], f"{command} ended:\n{''.join(lines)}"
        yield
    finally:
        end(process)


def end(process: "subprocess.Popen[str]") -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
    if process.stdout is not None and not process.stdout.closed:
        process.communicate()


def assert_nothing_left(trap: Trap) -> None:
    assert trap.events() == []
    assert [path for path in trap.written() if not path.startswith(DOCUMENTED)] == []


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Run ``make run`` with the shipped checkpoint and its gateway."""
    with open_trap() as trap:
        checkout = link_checkout(tmp_path_factory.mktemp("checkout"))
        (checkout / "sentences.txt").write_text("床前明月光，疑是地[MASK]霜。\n", encoding="utf-8")
        with running(trap, checkout, "make run", "Ctrl-C stops"):
            yield Service(trap, checkout)


@pytest.fixture(scope="module", autouse=True)
def light_server(service: Service) -> Iterator[Trap]:
    """The light engine; ONNX Runtime's first upload would come after 10 seconds."""
    with open_trap() as trap, running(trap, service.checkout, f"{EMBEDDED} --engine=onnx", "Serving"):
        yield trap


def test_make_run_exports_serves_and_requests(service: Service) -> None:
    assert (service.checkout / "models/bert_mlm/1/manifest.json").is_file()
    assert_nothing_left(service.trap)


@pytest.mark.parametrize("command", [*(line for line in shell_commands() if line not in HANDLED), *MORE])
def test_a_command_that_asks_the_service(service: Service, command: str) -> None:
    if command.startswith("curl") and shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    if command.startswith("python"):
        command = f".venv/bin/{command}"  # as inside sentences
    done = service.trap.run("bash", "-c", command, cwd=service.checkout)
    assert done.returncode == 0, done.stdout
    assert_nothing_left(service.trap)


@pytest.mark.parametrize("program", python_programs())
def test_a_python_program(service: Service, program: str) -> None:
    done = service.trap.run(".venv/bin/python", "-c", program, cwd=service.checkout)
    assert done.returncode == 0, done.stdout
    assert_nothing_left(service.trap)


def test_the_pages_in_a_browser(service: Service, tmp_path: Path) -> None:
    home = f"HOME={tmp_path}"  # a browser keeps a profile
    done = service.trap.run("env", home, ".venv/bin/python", "-c", PAGES, cwd=service.checkout)
    if done.stdout.startswith("skip: "):
        pytest.skip(done.stdout.removeprefix("skip: "))
    assert (done.returncode, done.stdout) == (0, "elsewhere:\n")
    assert_nothing_left(service.trap)


def test_the_embedded_server(service: Service) -> None:
    with open_trap() as trap:
        with running(trap, service.checkout, EMBEDDED, "Serving"):
            done = trap.run(".venv/bin/bert-mlm", "status", "--url", "http://127.0.0.1:8501", cwd=service.checkout)
            assert "AVAILABLE" in done.stdout
        assert_nothing_left(trap)


def test_the_comparison_of_the_light_file(service: Service) -> None:
    with open_trap() as trap:
        command = ".venv/bin/python -m export.onnx.compare models/bert_mlm/1 --text sentences.txt"
        done = trap.run("bash", "-c", command, cwd=service.checkout)
        assert done.returncode == 0, done.stdout
        assert_nothing_left(trap)


@pytest.mark.skipif(not (ROOT / ".venv-torch").exists(), reason="PyTorch is not installed; make verify installs it")
def test_the_verification(service: Service, tiny_version: Path) -> None:
    shutil.copytree(tiny_version, service.checkout / "models/tiny/1")
    with open_trap() as trap:
        done = trap.run("bash", "-c", f"{VERIFY} NAME=tiny", cwd=service.checkout)  # small, to verify it quickly
        assert done.returncode == 0, done.stdout
        assert_nothing_left(trap)


@pytest.mark.parametrize("command", HUB)
def test_only_a_hub_model_is_resolved(service: Service, command: str) -> None:
    options = "NAME=another GRPC_PORT=8600 REST_PORT=8601 GATEWAY_PORT=8100"  # the checkout's service is running
    with open_trap() as trap:
        done = trap.run("bash", "-c", f"{command} {options}", cwd=service.checkout)
        assert done.returncode != 0
        assert "could not be downloaded" in done.stdout
        assert set(trap.events()) == {"look-up huggingface.co A", "look-up huggingface.co AAAA"}
        assert [path for path in trap.written() if not path.startswith(".cache/huggingface/")] == []


def test_every_separately_handled_command_is_in_the_readme() -> None:
    assert set(shell_commands()) >= HANDLED


def test_the_light_server_sent_nothing_during_the_tests(light_server: Trap) -> None:
    assert (light_server.events(), light_server.written()) == ([], [])
