"""Nothing leaves the machine: every command of the README runs where look-ups and connections are recorded.

The commands run as the README writes them, in a checkout of their own, with an empty home folder, and without the
variables that CI sets: ONNX Runtime sends nothing where it finds CI=true.
"""

import ast
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from bert_mlm_client.telemetry import VARIABLE
from bert_mlm_client.tokens import Encoded

from loadtest.bench.systems import SYSTEMS, Files, start
from loadtest.processes import http
from tests.support.checkout import ROOT, link_checkout
from tests.support.readme import python_programs, shell_commands
from tests.support.trap import Trap, TrapError

HUB = (
    "make run MODEL=google-bert/bert-base-chinese",
    "make export MODEL=google-bert/bert-base-chinese VERSION=2 PRECISION=bf16",
)
VERIFY = "make verify"
EMBEDDED = (
    ".venv/bin/python -m deploy.embedded --port=8500 --rest_api_port=8501 --model_name=bert_mlm "
    "--model_base_path=$PWD/models/bert_mlm"
)
ELSEWHERE = {
    "make run": "the fixture `service` runs it",
    "make test": "is what runs this test",
    "make bench": "takes half an hour; the tests of its imports and variables stand for it",
    "make export": "make run does it",
    "make verify VERSION=2": "as make verify",
    "python -m export --force": "names an option of what make run does",
    "python -m export --lower-case": "names an option of what make run does",
    "docker compose run --rm export": "tests/deploy/test_dockerfiles.py: the image sets the variables",
    "make up": "tests/deploy/test_dockerfiles.py: the images set the variables",
}

pytestmark = pytest.mark.timeout(900)  # it runs much at once, which a busy machine makes slow

HANDLED = {*HUB, VERIFY, EMBEDDED, *ELSEWHERE}
MORE = ["make load RUN_TIME=2s USERS=3 P95_MS=60000"]
"""Commands of other READMEs."""

DOCUMENTED = {".keras/keras.json"}
"""What the README says is written in the home folder."""

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
"""Open the service's pages and print what they request elsewhere: the browser resolves no names for them."""


@dataclass(frozen=True)
class Service:
    """What ``make run`` started, in a trap."""

    trap: Trap
    checkout: Path


def open_trap() -> Trap:
    try:
        return Trap()
    except TrapError as error:
        pytest.skip(f"no trap for what leaves the machine: it {error}")


@contextmanager
def running(trap: Trap, checkout: Path, command: str, ready: str) -> Iterator[None]:
    """Run a server in a trap; it is ready once it has printed a text."""
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
    assert set(trap.written()) <= DOCUMENTED


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """``make run``: it exports the checkpoint that ships, serves it and puts the gateway before it."""
    with open_trap() as trap:
        checkout = link_checkout(tmp_path_factory.mktemp("checkout"))
        (checkout / "sentences.txt").write_text("床前明月光，疑是地[MASK]霜。\n", encoding="utf-8")
        with running(trap, checkout, "make run", "Ctrl-C stops"):
            yield Service(trap, checkout)


@pytest.fixture(scope="module", autouse=True)
def light_server(service: Service) -> Iterator[Trap]:
    """The light engine, from before the first test to after the last: its first upload is due after some 10 seconds."""
    with open_trap() as trap, running(trap, service.checkout, f"{EMBEDDED} --engine=onnx", "Serving"):
        yield trap


@pytest.fixture(scope="module", autouse=True)
def downloads(service: Service) -> Iterator[dict[str, tuple[Trap, "subprocess.Popen[str]"]]]:
    """The commands that ask the hub, meanwhile too: they retry for some 25 seconds."""
    started = {}
    with ExitStack() as stack:
        for command in HUB:
            trap = stack.enter_context(open_trap())
            options = "NAME=another GRPC_PORT=8600 REST_PORT=8601 GATEWAY_PORT=8100"  # they share the checkout
            output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
            process = trap.popen("bash", "-c", f"{command} {options}", cwd=service.checkout, **output)
            stack.callback(end, process)
            started[command] = trap, process
        yield started


def test_make_run_exports_serves_and_asks(service: Service) -> None:
    assert (service.checkout / "models/bert_mlm/1/manifest.json").is_file()
    assert_nothing_left(service.trap)


@pytest.mark.parametrize("command", [*(line for line in shell_commands() if line not in HANDLED), *MORE])
def test_a_command_that_asks_the_service(service: Service, command: str) -> None:
    if command.startswith("python"):
        command = f".venv/bin/{command}"  # as within sentences
    done = service.trap.run("bash", "-c", command, cwd=service.checkout)
    assert done.returncode == 0, done.stdout
    assert_nothing_left(service.trap)


@pytest.mark.parametrize("program", python_programs())
def test_a_python_program(service: Service, program: str) -> None:
    done = service.trap.run(".venv/bin/python", "-c", program, cwd=service.checkout)
    assert done.returncode == 0, done.stdout
    assert_nothing_left(service.trap)


def test_the_pages_in_a_browser(service: Service) -> None:
    with open_trap() as outside:  # a home folder of its own: a browser keeps a profile
        done = service.trap.run("env", f"HOME={outside.home}", ".venv/bin/python", "-c", PAGES, cwd=service.checkout)
    if done.stdout.startswith("skip: "):
        pytest.skip(done.stdout.removeprefix("skip: "))
    assert (done.returncode, done.stdout) == (0, "elsewhere:\n")
    assert_nothing_left(service.trap)


def test_the_embedded_server(service: Service) -> None:
    with open_trap() as trap:
        with running(trap, service.checkout, EMBEDDED, "Serving"):
            url = "http://127.0.0.1:8501/v1/models/bert_mlm"
            done = trap.run("curl", "--fail", "--silent", "--show-error", url, cwd=service.checkout)
            assert "AVAILABLE" in done.stdout
        assert_nothing_left(trap)


def test_the_comparison_of_the_light_file(service: Service) -> None:
    with open_trap() as trap:
        command = ".venv/bin/python -m export.onnx.compare models/bert_mlm/1 --text sentences.txt"
        done = trap.run("bash", "-c", command, cwd=service.checkout)
        assert done.returncode == 0, done.stdout
        assert_nothing_left(trap)


@pytest.mark.skipif(not (ROOT / ".venv-torch").exists(), reason="PyTorch is not installed; make verify installs it")
def test_the_verification(service: Service) -> None:
    with open_trap() as trap:
        done = trap.run("bash", "-c", VERIFY, cwd=service.checkout)
        assert done.returncode == 0, done.stdout
        assert_nothing_left(trap)


@pytest.mark.parametrize("command", HUB)
def test_only_a_model_of_the_hub_is_looked_up(
    downloads: dict[str, tuple[Trap, "subprocess.Popen[str]"]], command: str
) -> None:
    trap, process = downloads[command]
    output, _ = process.communicate()
    assert process.returncode != 0
    assert "could not be downloaded" in output
    assert set(trap.events()) == {"look-up huggingface.co A", "look-up huggingface.co AAAA"}
    assert [path for path in trap.written() if not path.startswith(".cache/huggingface/")] == []


def test_every_command_that_is_handled_apart_is_in_the_readme() -> None:
    assert set(shell_commands()) >= HANDLED


@pytest.mark.parametrize(
    ("attempt", "event"),
    [
        ("getent ahostsv4 telemetry.example", "look-up telemetry.example A"),
        ("exec 3<>/dev/tcp/203.0.113.9/443", "TCP 203.0.113.9 port 443"),
        ("exec 3<>/dev/tcp/2001:db8::9/443", "TCP 2001:db8::9 port 443"),
        ("echo > /dev/udp/203.0.113.9/4317", "UDP 203.0.113.9 port 4317"),
    ],
)
def test_the_trap_records(attempt: str, event: str) -> None:
    with open_trap() as trap:
        trap.run("bash", "-c", f"{attempt}; touch ~/file", cwd=ROOT)
        assert set(trap.events()) == {event}
        assert trap.written() == ["file"]


def test_onnxruntime_is_imported_by_one_module_that_disables_its_telemetry_first() -> None:
    importers = {
        str(path.relative_to(ROOT))
        for folder in ("client", "deploy", "export", "loadtest", "models", "tests")
        for path in (ROOT / folder).rglob("*.py")
        if "onnxruntime" in imported(path)
    }
    assert importers == {
        "client/bert_mlm_client/onnx_runtime.py",
        "loadtest/rivals/flask_onnx.py",  # a program as articles show it, which gets the variable from outside
    }


def imported(module: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(module.read_text(encoding="utf-8"))))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("module", ["bert_mlm_client.onnx_runtime", "bert_mlm_client.transport"])
@pytest.mark.parametrize(("before", "after"), [(None, "1"), ("", "1"), ("0", "0")])
def test_the_variable_is_set_unless_the_user_has_set_it(module: str, before: str | None, after: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    environment |= {} if before is None else {VARIABLE: before}
    code = f"import os, {module}; print(os.environ[{VARIABLE!r}])"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == after


ENVIRONMENT_SERVER = """
import json, os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(dict(os.environ)).encode())
HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def test_a_rival_of_the_benchmark_is_started_with_the_variables(tmp_path: Path) -> None:
    rival = replace(SYSTEMS["flask-1"], command=lambda _, ports: ("-c", ENVIRONMENT_SERVER, str(ports.http)))
    files = Files(tmp_path, tmp_path / "rival.onnx", tmp_path)
    with start(rival, files, Encoded("", (), (), (), ()), tmp_path / "log") as running_rival:
        environment = json.loads(http(running_rival.ports.http, "POST", "/predict"))
    wanted = {VARIABLE: "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_OFFLINE": "1"}
    assert environment.items() >= wanted.items()


def test_the_light_server_has_sent_nothing_meanwhile(light_server: Trap) -> None:
    assert (light_server.events(), light_server.written()) == ([], [])
