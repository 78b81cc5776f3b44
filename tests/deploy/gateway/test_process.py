"""Test start, stop and a port in use of the gateway process."""

import json
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from loadtest.processes import ROOT
from tests.deploy.gateway.conftest import (
    SENTENCE,
    Gateway,
    GatewayProcess,
    Model,
    StartProcess,
    environment,
    wait_until,
)


@pytest.fixture
def scripted(start_process: StartProcess, scripted_url: str) -> GatewayProcess:
    """Return a gateway process with the scripted model."""
    gateway = start_process(scripted_url)
    gateway.wait_until_ready()
    return gateway


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_requests_in_flight_end_and_their_lines_be_written(
    scripted: GatewayProcess, model: Model, number: signal.Signals
) -> None:
    model.gate.clear()
    idle = httpx2.Client(base_url=scripted.url, trust_env=False)
    assert idle.get("/readyz").status_code == 200  # a connection that stays open must not hold the end
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(scripted.post, "/predict", {"text": SENTENCE})
        wait_until(lambda: model.waiting)
        scripted.process.send_signal(number)
        wait_until(lambda: not accepts(scripted.port))
        model.gate.set()
        assert answer.result().status_code == 200
    assert scripted.process.wait(30) == 0
    idle.close()
    assert len(scripted.lines(module="inference", status="success")) == 1
    said = scripted.stderr()
    assert "Traceback" not in said


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_standard_output_has_the_lines_of_the_log_and_nothing_else(
    start_process: StartProcess, scripted_url: str
) -> None:
    gateway = start_process(scripted_url, "--log-stdout=json")
    gateway.wait_until_ready()
    gateway.answer("/predict", {"text": SENTENCE})
    written = len(gateway.wait_for_lines(1, module="inference"))
    wait_until(lambda: gateway.metrics()['gateway_stdout_lines_total{outcome="written"}'] >= written)
    assert gateway.ask("GET", "/healthz").json()["log"]["stdout"]["problem"] is None
    status, _ = gateway.stop()
    assert status == 0
    assert gateway.process.stdout is not None
    printed = [*gateway.printed, *gateway.process.stdout.read().splitlines()]
    assert [json.loads(line) for line in printed] == gateway.lines()


def test_a_closed_standard_output_neither_stops_the_gateway_nor_is_silent(
    start_process: StartProcess, scripted_url: str
) -> None:
    gateway = start_process(scripted_url, "--log-stdout=json", "--resource-interval-s=0.1")
    gateway.wait_until_ready()
    assert gateway.process.stdout is not None
    gateway.process.stdout.close()
    wait_until(lambda: gateway.ask("GET", "/healthz").json()["log"]["stdout"]["problem"] == "Broken pipe")
    wait_until(lambda: gateway.metrics()['gateway_alert_firing{alert="lost_log_lines"}'] == 1)
    gateway.answer("/predict", {"text": SENTENCE})
    gateway.wait_for_lines(1, module="inference")
    status, said = gateway.stop()
    assert status == 0
    assert "standard output cannot be written: Broken pipe" in said


def test_a_request_that_outlives_its_grace_does_not_hold_the_end(
    start_process: StartProcess, scripted_url: str, model: Model
) -> None:
    gateway = start_process(scripted_url, "--grace-s=1")
    gateway.wait_until_ready()
    model.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(gateway.post, "/predict", {"text": SENTENCE})
        wait_until(lambda: model.waiting)
        began = time.monotonic()
        status, _ = gateway.stop()
        assert status == 0
        assert time.monotonic() - began < 8
        assert answer.result().status_code == 503
        assert answer.result().json()["error_type"] == "StoppingError"
    [line] = gateway.lines(module="inference")
    assert (line["status"], line["error_type"], line["level"]) == ("failed", "StoppingError", "WARNING")
    assert line["request_id"] == answer.result().headers["x-request-id"]


def test_the_end_comes_at_once_when_there_is_nothing_to_do(scripted: GatewayProcess) -> None:
    began = time.monotonic()
    status, said = scripted.stop()
    assert (status, "Traceback" in said) == (0, False)
    assert time.monotonic() - began < 5


def test_stopped_under_load_while_files_rotate_it_has_a_line_for_each_answer(
    start_process: StartProcess, scripted_url: str
) -> None:
    gateway = start_process(scripted_url, "--log-max-bytes=20000", "--log-keep=1000")
    gateway.wait_until_ready()

    def ask_until_the_end() -> int:
        answered = 0
        with httpx2.Client(base_url=gateway.url, timeout=30, trust_env=False) as client:
            while True:
                try:
                    response = client.post("/predict", json={"text": SENTENCE})
                except httpx2.TransportError:
                    return answered
                assert response.status_code == 200
                answered += 1

    with ThreadPoolExecutor(8) as pool:
        askers = [pool.submit(ask_until_the_end) for _ in range(8)]
        wait_until(lambda: len(list(gateway.folder.glob("*"))) >= 3)  # the folder comes with the first line
        status, _ = gateway.stop()
        answered = sum(asker.result() for asker in askers)
    assert status == 0
    assert len(gateway.lines(module="inference", status="success")) == answered


def test_a_taken_port_is_one_sentence_and_status_2(gateway: Gateway) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deploy.gateway", f"--port={gateway.port}"],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"gateway: cannot listen on port {gateway.port} of 127.0.0.1")
    assert "GATEWAY_PORT" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_first_line_says_where_it_is_and_whom_it_asks(scripted: GatewayProcess, scripted_url: str) -> None:
    assert scripted.printed[0] == f"Gateway on {scripted.url} (docs at /docs), asking {scripted_url}\n"


def test_the_report_is_a_command_of_the_gateway(gateway: Gateway) -> None:
    request_id = gateway.post("/predict", {"text": SENTENCE}).headers["x-request-id"]
    gateway.wait_for_lines(1, request_id=request_id)
    done = subprocess.run(
        [sys.executable, "-m", "deploy.gateway", "report", f"--log={gateway.folder}", "--format=json"],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("{")


def test_a_model_folder_without_a_version_is_said_at_the_start(
    start_process: StartProcess, scripted_url: str, tmp_path: Path
) -> None:
    gateway = start_process(scripted_url, f"--model-folder={tmp_path / 'nowhere'}")
    _, said = gateway.stop()
    assert f"WARNING GATEWAY_MODEL_FOLDER {tmp_path / 'nowhere'} has no version" in said
    (tmp_path / "served" / "1").mkdir(parents=True)
    (tmp_path / "served" / "1" / "manifest.json").write_text("{}")
    _, said = start_process(scripted_url, f"--model-folder={tmp_path / 'served'}").stop()
    assert "GATEWAY_MODEL_FOLDER" not in said
