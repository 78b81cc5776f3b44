import itertools
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from loadtest.processes import ROOT
from loadtest.soak import Server
from loadtest.users.answers import fault
from loadtest.users.base import SENTENCES, Arrivals, questions

GOOD: Mapping[str, Any] = {"token_ids": [[[7, 5, 9]]], "scores": [[[0.5, 0.25, 0.25]]]}


def locust(server: Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "locust", "-f", "loadtest/locustfile.py", "--headless", "--only-summary"]
    addresses = ["--host", server.rest, "--grpc", server.grpc]
    return subprocess.run(
        [*command, *addresses, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=90, check=False
    )


def counts(done: subprocess.CompletedProcess[str]) -> dict[str, tuple[int, int]]:
    """Return requests and failures by name from Locust's table."""
    lines = re.findall(r"^\w+ +(\w+ fill_mask|Aggregated) +(\d+) +(\d+)\(", done.stdout + done.stderr, re.MULTILINE)
    return {name: (int(requests), int(failures)) for name, requests, failures in lines}


def test_users_of_both_protocols_get_right_answers_and_a_report(demo_server: Server, tmp_path: Path) -> None:
    report = tmp_path / "load.html"
    done = locust(demo_server, "-u", "4", "-r", "4", "-t", "2s", "--p95-ms", "30000", "--html", str(report))
    assert done.returncode == 0, done.stdout + done.stderr
    found = counts(done)
    for name in ("REST fill_mask", "gRPC fill_mask"):
        requests, failures = found[name]
        assert requests > 5
        assert failures == 0
    assert "gRPC fill_mask" in report.read_text(encoding="utf-8")


def test_an_open_load_keeps_its_rate_over_several_processes(demo_server: Server) -> None:
    done = locust(
        demo_server, "-u", "8", "-r", "8", "-t", "4s", "--rate", "15", "--processes", "2", "--reset-stats", "RestUser"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    requests, _ = counts(done)["REST fill_mask"]
    assert 25 <= requests <= 100, "15 a second for 4 s, at random"


def test_limits_that_are_missed_end_with_status_1_and_say_so(demo_server: Server) -> None:
    done = locust(demo_server, "-u", "1", "-t", "1s", "--p95-ms", "0.1", "--rate", "100000", "GrpcUser")
    assert done.returncode == 1
    assert re.search(r"load: the 95th percentile is \d+ ms, the limit 0 ms", done.stdout)
    assert re.search(r"load: [\d.]+ questions a second were asked, not 100000.0; give more users", done.stdout)


def test_a_model_that_is_not_there_is_one_clear_sentence(demo_server: Server) -> None:
    done = locust(demo_server, "-u", "1", "-t", "1s", "--model", "nix", "RestUser")
    assert done.returncode == 1
    assert "load: the server has no such model or version" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_right_answer_has_no_fault() -> None:
    assert fault(GOOD) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scores": [[[0.25, 0.5, 0.25]]]}, "descend"),
        ({"scores": [[[0.9, 0.5, 0.25]]]}, "probabilities"),
        ({"scores": [[[0.5, 0.25, -0.1]]]}, "probabilities"),
        ({"scores": [[[0.5, 0.25, float("nan")]]]}, "probabilities"),
        ({"scores": [[[0.5, 0.25]]]}, "[1, 1, K]"),
        ({"scores": [[]], "token_ids": [[]]}, "[1, 1, K]"),
        ({"token_ids": [[[7, 5, 7]]]}, "twice"),
    ],
)
def test_a_wrong_answer_has_its_fault_named(change: Mapping[str, Any], words: str) -> None:
    found = fault({**GOOD, **change})
    assert found is not None
    assert words in found


def test_an_answer_without_an_output_is_a_fault() -> None:
    assert fault({"scores": GOOD["scores"]}) == "no token_ids in the answer"


def test_users_together_arrive_at_the_rate_whatever_an_answer_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    arrivals = Arrivals(rate=40, users=20)  # this user: 2 a second
    asked = 0
    for taken in itertools.cycle([0.01, 0.9]):
        now += arrivals.wait_s() + taken
        asked += 1
        if now > 2000:
            break
    assert asked / now == pytest.approx(2, rel=0.1)


def test_questions_are_cut_with_the_vocabulary_that_the_server_tells(demo_server: Server) -> None:
    asked = questions(demo_server.grpc, "bert_mlm")
    assert len(asked) == SENTENCES
    vocabulary = (ROOT / "models" / "demo" / "vocab.txt").read_text(encoding="utf-8").split("\n")
    for request in asked:
        [position] = request.inputs["mask_positions"][0].tolist()
        assert vocabulary[request.inputs["input_ids"][0].tolist()[position]] == "[MASK]"
