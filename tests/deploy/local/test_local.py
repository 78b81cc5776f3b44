"""Test ``python -m deploy.local`` on the small checkpoint."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from bert_mlm_client.cli import main as fill_command

from deploy.local.__main__ import main
from tests.conftest import TINY
from tests.support.environment import environment
from tests.support.ports import free_port
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[3]
SENTENCE = "床前明月光，疑是地[MASK]霜。"


@dataclass
class Local:
    """A running ``python -m deploy.local`` and what it printed until it was ready."""

    process: subprocess.Popen[str]
    printed: str
    grpc_port: int
    rest_port: int
    gateway_port: int
    models: Path

    @property
    def ports(self) -> tuple[int, int, int]:
        return self.grpc_port, self.rest_port, self.gateway_port

    def children(self, module: str = "") -> list[int]:
        command = ["pgrep", "-P", str(self.process.pid), "-f", module]
        return [int(child) for child in subprocess.run(command, capture_output=True, check=True).stdout.split()]


def arguments(models: Path, *ports: int) -> list[str]:
    flags = ("--grpc-port", "--rest-port", "--gateway-port")
    chosen = [f"{flag}={port}" for flag, port in zip(flags, ports, strict=True)]
    places = [f"--output={models}", f"--log={models / 'server.log'}", f"--gateway-log={models / 'gateway.log'}"]
    return [f"--model={TINY}", *places, *chosen]


def command(models: Path, *ports: int) -> list[str]:
    return [sys.executable, "-m", "deploy.local", *arguments(models, *ports)]


def variables_of(models: Path, **variables: str) -> dict[str, str]:
    return environment(COLUMNS="100", GATEWAY_LOG_FOLDER=str(models / "logs"), **variables)


def start(models: Path, *prefix: str, flags: Sequence[str] = (), end: str = "Ctrl-C stops both.") -> Local:
    ports = free_port(), free_port(), free_port()
    process = subprocess.Popen(
        [*prefix, *command(models, *ports), *flags],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=variables_of(models),
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if end in line:
            break
    return Local(process, "".join(lines), *ports, models)


def stop(local: Local, number: signal.Signals = signal.SIGINT) -> str:
    local.process.send_signal(number)
    return local.process.communicate(timeout=30)[0]


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    running = start(tmp_path_factory.mktemp("models"))
    yield running
    if running.process.poll() is None:
        stop(running)


@pytest.fixture(scope="module")
def light(local: Local, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the exported version without its SavedModel: with its light engine the server starts three times as fast."""
    models = tmp_path_factory.mktemp("light")
    ignored = shutil.ignore_patterns("saved_model.pb", "variables")
    shutil.copytree(local.models / "bert_mlm", models / "bert_mlm", ignore=ignored)
    return models


def fill(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, object]]:
    assert fill_command(["fill", *words, "--json"]) == 0
    answers: list[dict[str, object]] = json.loads(capsys.readouterr().out)
    return answers


def assert_nothing_is_left(children: list[int], ports: tuple[int, ...]) -> None:
    for child in children:
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)


def test_the_last_screen_shows_answers_as_a_table_and_all_addresses(local: Local) -> None:
    assert f"Exporting {TINY} as {local.models}/bert_mlm/1." in local.printed
    assert SENTENCE in local.printed
    assert f"grpc://127.0.0.1:{local.grpc_port}" in local.printed
    assert f"http://127.0.0.1:{local.rest_port}/v1/models/bert_mlm" in local.printed
    assert f"Workbench  http://127.0.0.1:{local.gateway_port}\n" in local.printed
    assert "Traceback" not in local.printed


def test_the_workbench_is_a_page_and_the_api_behind_it_answers_and_logs(
    local: Local, capsys: pytest.CaptureFixture[str]
) -> None:
    address = f"http://127.0.0.1:{local.gateway_port}"
    with urlopen(address) as page:
        assert page.headers.get_content_type() == "text/html"
    body = json.dumps({"text": SENTENCE, "top_k": 1}).encode()
    with urlopen(Request(f"{address}/predict", body, {"Content-Type": "application/json"})) as answer:
        (best,) = json.load(answer)["results"]
    assert best["token"] == fill(capsys, SENTENCE, "--url", f"grpc://127.0.0.1:{local.grpc_port}")[0]["token_str"]
    with urlopen(f"{address}/healthz") as answer:
        model = json.load(answer)["model"]
    assert (model["name"], model["version"]) == ("bert_mlm", 1)
    assert (local.models / "logs" / "gateway.log").exists()


def test_the_gateway_compares_answers_with_those_in_the_manifest_of_the_version(local: Local) -> None:
    check: dict[str, object] = {}

    def is_checked() -> bool:
        with urlopen(f"http://127.0.0.1:{local.gateway_port}/healthz") as answer:
            check.update(json.load(answer)["consistency"] or {})
        return bool(check)

    wait_until(is_checked)
    assert check["status"] == "success"
    assert check["version"] == 1


def test_the_command_gives_transformers_answers_over_grpc_and_http_alike(
    local: Local, capsys: pytest.CaptureFixture[str]
) -> None:
    over_grpc = fill(capsys, SENTENCE, "--url", f"grpc://127.0.0.1:{local.grpc_port}")
    over_http = fill(capsys, SENTENCE, "--url", f"http://127.0.0.1:{local.rest_port}")
    assert [answer["token"] for answer in over_grpc] == [answer["token"] for answer in over_http]
    assert [answer["score"] for answer in over_grpc] == pytest.approx([answer["score"] for answer in over_http])
    golden = json.loads((TINY / "golden.json").read_text())[0]["log_probabilities"][0]
    assert [answer["token"] for answer in over_grpc] == sorted(range(98), key=lambda token: -golden[token])[:5]


def test_the_documented_rest_body_gives_the_same_token_ids(local: Local, capsys: pytest.CaptureFixture[str]) -> None:
    golden = json.loads((TINY / "golden.json").read_text())[0]
    ids, masks = golden["input_ids"], golden["mask_positions"]
    inputs = {"input_ids": [ids], "lengths": [len(ids)], "mask_positions": [masks]}
    body = json.dumps({"signature_name": "fill_mask", "inputs": inputs}).encode()
    url = f"http://127.0.0.1:{local.rest_port}/v1/models/bert_mlm:predict"
    with urlopen(Request(url, data=body)) as answer:
        tokens = json.load(answer)["outputs"]["token_ids"][0][0]
    over_grpc = fill(capsys, SENTENCE, "--url", f"grpc://127.0.0.1:{local.grpc_port}")
    assert tokens[:5] == [entry["token"] for entry in over_grpc]


@pytest.mark.parametrize(("place", "setting"), [(0, "GRPC_PORT"), (1, "REST_PORT"), (2, "GATEWAY_PORT")])
@pytest.mark.usefixtures("signal_handlers")
def test_a_second_run_on_a_taken_port_is_one_clear_sentence(
    local: Local, capsys: pytest.CaptureFixture[str], place: int, setting: str
) -> None:
    ports = [free_port(), free_port(), free_port()]
    ports[place] = local.ports[place]
    assert main(arguments(local.models, *ports)) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"run: port {ports[place]} is not available")
    assert f"{setting}=" in said
    assert said.count("\n") == 1


# Shells start background jobs with SIGINT ignored.
IGNORING_CTRL_C = ["sh", "-c", 'trap "" INT; exec "$0" "$@"']


@pytest.mark.parametrize(("prefix", "number"), [(IGNORING_CTRL_C, signal.SIGINT), ([], signal.SIGTERM)])
def test_a_signal_ends_it_cleanly_and_the_next_run_reuses_the_version(
    light: Path, prefix: list[str], number: signal.Signals
) -> None:
    running = start(light, *prefix)
    assert f"Using {light}/bert_mlm/1, exported from {TINY} before." in running.printed
    children = running.children()
    assert len(children) == 2
    assert "Stopped." in stop(running, number)
    assert running.process.returncode == 0
    assert_nothing_is_left(children, running.ports)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_that_repeat_leave_no_process(light: Path, number: signal.Signals) -> None:
    running = start(light, *IGNORING_CTRL_C)
    children = running.children()
    for _ in range(50):
        running.process.send_signal(number)
        time.sleep(0.001)  # so that they arrive one by one
    assert "Stopped." in running.process.communicate(timeout=30)[0]
    assert_nothing_is_left(children, running.ports)


@pytest.mark.parametrize(("module", "name"), [("deploy.embedded", "server"), ("deploy.gateway", "gateway")])
def test_if_one_dies_the_other_ends_and_the_log_to_read_is_named(light: Path, module: str, name: str) -> None:
    running = start(light)
    children = running.children()
    (victim,) = running.children(module)
    os.kill(victim, signal.SIGKILL)
    said = running.process.communicate(timeout=30)[0]
    assert f"run: the {name} ended with status -9; its output is in {light / name}.log" in said
    assert running.process.returncode == 1
    assert_nothing_is_left(children, running.ports)


def test_a_gateway_that_does_not_start_is_said_with_its_last_lines_and_ends_the_server(light: Path) -> None:
    ports = (free_port(), free_port(), free_port())
    done = subprocess.run(
        command(light, *ports),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env=variables_of(light, GATEWAY_MAX_BATCH="many"),
    )
    assert done.returncode == 1
    assert done.stderr.startswith("run: the gateway ended with status 2;")
    assert "GATEWAY_MAX_BATCH is 'many'" in done.stderr
    assert "Traceback" not in done.stderr
    assert_nothing_is_left([], ports)


def test_another_checkpoint_becomes_the_next_version(tmp_path: Path, tiny_version: Path) -> None:
    from deploy.local.versions import ensure_version
    from loadtest.random_checkpoint import write_random_checkpoint

    servable = tmp_path / "bert_mlm"
    shutil.copytree(tiny_version, servable / "1")
    write_random_checkpoint(TINY, tmp_path / "other")
    assert ensure_version(str(TINY), servable).name == "1"
    assert ensure_version(str(tmp_path / "other"), servable).name == "2"
    assert ensure_version(str(tmp_path / "other"), servable).name == "2"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda models: (models / "bert_mlm" / "1").mkdir(parents=True), "no export has finished it"),
        (lambda models: (models / "bert_mlm").write_text("a file"), "bert_mlm"),
    ],
)
@pytest.mark.usefixtures("signal_handlers")
def test_a_half_written_version_is_one_clear_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], make: object, message: str
) -> None:
    assert callable(make)
    make(tmp_path)
    assert main(arguments(tmp_path, free_port(), free_port(), free_port())) == 1
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said


def test_with_an_engine_the_gateway_is_the_only_process(light: Path, tmp_path: Path) -> None:
    models = shutil.copytree(light, tmp_path / "models")
    alone = start(models, flags=["--engine=onnx"], end="Ctrl-C stops it.")
    try:
        assert f"Starting gateway for {models}/bert_mlm/1." in alone.printed
        assert SENTENCE in alone.printed
        assert f"Workbench  http://127.0.0.1:{alone.gateway_port}\n" in alone.printed
        [gateway] = alone.children()
        body = json.dumps({"text": SENTENCE}).encode()
        request = Request(f"http://127.0.0.1:{alone.gateway_port}/predict", body, {"Content-Type": "application/json"})
        with urlopen(request, timeout=30) as answer:
            assert len(json.load(answer)["results"]) == 5
    finally:
        said = stop(alone)
    assert "Stopped." in said
    assert_nothing_is_left([gateway], alone.ports)
