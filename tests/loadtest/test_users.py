import itertools
import json
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from loadtest.processes import ROOT, free_port
from loadtest.soak import Server
from loadtest.users import gateway_questions
from loadtest.users.answers import fault
from loadtest.users.base import SENTENCES, Arrivals, questions

GOOD: Mapping[str, Any] = {"token_ids": [[[7, 5, 9]]], "scores": [[[0.5, 0.25, 0.25]]]}


def locust(server: Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    files = "loadtest/locustfile.py,tests/loadtest/stop_early.py"
    command = [sys.executable, "-m", "locust", "-f", files, "--headless", "--only-summary"]
    addresses = ["--host", server.rest, "--grpc", server.grpc]
    return subprocess.run(
        [*command, *addresses, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=90, check=False
    )


def counts(done: subprocess.CompletedProcess[str]) -> dict[str, tuple[int, int]]:
    """Return requests and failures by name from Locust's table."""
    lines = re.findall(r"^\w* +(\w+ \w+|Aggregated) +(\d+) +(\d+)\(", done.stdout + done.stderr, re.MULTILINE)
    return {name: (int(requests), int(failures)) for name, requests, failures in lines}


def test_rest_and_grpc_users_get_correct_answers_and_a_report(demo_server: Server, tmp_path: Path) -> None:
    report = tmp_path / "load.html"
    enough = ["--enough", "REST fill_mask=20", "--enough", "gRPC fill_mask=20"]
    done = locust(demo_server, "-u", "4", "-r", "4", "-t", "30s", "--p95-ms", "30000", "--html", str(report), *enough)
    assert done.returncode == 0, done.stdout + done.stderr
    found = counts(done)
    for name in ("REST fill_mask", "gRPC fill_mask"):
        requests, failures = found[name]
        assert requests > 5
        assert failures == 0
    assert "gRPC fill_mask" in report.read_text(encoding="utf-8")


def test_gateway_users_call_every_endpoint_and_get_correct_answers(demo_server: Server, demo_gateway: str) -> None:
    kinds = [f"gateway {kind}" for kind in ("fill", "batch", "score", "similarity", "features")]
    enough = [word for kind in kinds for word in ("--enough", f"{kind}={40 if kind == 'gateway fill' else 5}")]
    done = locust(demo_server, "-u", "3", "-r", "3", "-t", "30s", "--gateway", demo_gateway, *enough, "GatewayUser")
    assert done.returncode == 0, done.stdout + done.stderr
    found = counts(done)
    assert set(found) == {*kinds, "Aggregated"}
    assert found["gateway fill"][0] > found["gateway score"][0] > 0


def test_gateway_users_are_skipped_without_an_address(demo_server: Server, refusing_port: int) -> None:
    done = locust(demo_server, "-u", "1", "-t", "1s", "RestUser", "GatewayUser")
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(counts(done)) == {"REST fill_mask", "Aggregated"}
    alone = locust(demo_server, "-u", "1", "-t", "1s", "GatewayUser")
    assert (alone.returncode, "load: GatewayUser needs the gateway's address" in alone.stderr) == (1, True)
    url = f"http://127.0.0.1:{refusing_port}"
    refused = locust(demo_server, "-u", "1", "-t", "1s", "--gateway", url, "GatewayUser")
    assert (refused.returncode, f"load: no gateway answers at {url}" in refused.stderr) == (1, True)


def test_gateway_errors_are_counted_by_type() -> None:
    one = json.dumps({"error": "request 1 …", "error_type": "UnreachableError"}).encode()
    other = json.dumps({"error": "request 2 …", "error_type": "UnreachableError"}).encode()
    found = {gateway_questions.refusal(503, content) for content in (one, other)}
    assert found == {"HTTP 503 UnreachableError"}
    assert gateway_questions.refusal(502, b"<html>") == "HTTP 502 without an error_type"
    assert gateway_questions.refusal(502, None) == "HTTP 502 without an error_type"


SCORES = (0.5, 0.2, 0.1, 0.1, 0.0)
CANDIDATES = [{"token": token, "score": score} for token, score in zip("都府先宫人", SCORES, strict=True)]


@pytest.mark.parametrize(
    ("question", "answer", "words"),
    [
        (gateway_questions.fill(""), {"results": CANDIDATES}, None),
        (gateway_questions.fill(""), {"results": CANDIDATES[:3]}, "3 candidates, not 5"),
        (gateway_questions.fill(""), {"results": CANDIDATES[::-1]}, "descend"),
        (gateway_questions.fill(""), {"results": [*CANDIDATES[:4], {"token": "都", "score": 0.0}]}, "twice"),
        (gateway_questions.fill(""), {"results": [{"token": "的", "score": 1.5}, *CANDIDATES[1:]]}, "probabilities"),
        (gateway_questions.batch(["", ""]), [CANDIDATES, CANDIDATES], None),
        (gateway_questions.batch(["", ""]), [CANDIDATES], "1 answers to 2 sentences"),
        (gateway_questions.batch(["", ""]), [CANDIDATES, CANDIDATES[::-1]], "descend"),
        (gateway_questions.score(""), [{"token_str": word, "score": 0.1} for word in "的一人"], None),
        (gateway_questions.score(""), [{"token_str": word, "score": 0.1} for word in "一的人"], "order"),
        (gateway_questions.score(""), [{"token_str": word, "score": -1} for word in "的一人"], "probabilities"),
        (gateway_questions.similarity("", ["", ""]), [0.5, -1.0], None),
        (gateway_questions.similarity("", ["", ""]), [0.5], "1 answers to 2 sentences"),
        (gateway_questions.similarity("", ["", ""]), [0.5, 1.5], "above 1"),
        (gateway_questions.features(""), {"cls": [0.1, 0.2], "mean": [0.3, 0.4]}, None),
        (gateway_questions.features(""), {"cls": [0.1, 0.2], "mean": [0.3]}, "2 and 1 numbers"),
        (gateway_questions.features(""), {"cls": [float("nan")], "mean": [0.3]}, "NaN or infinite"),
    ],
)
def test_faults_of_a_gateway_answer_are_named(
    question: gateway_questions.Question, answer: Any, words: str | None
) -> None:
    found = question.fault(answer)
    assert found is None if words is None else found is not None and words in found


def test_open_load_keeps_its_rate_over_several_processes(demo_server: Server) -> None:
    port = str(free_port())
    between = ["--processes", "2", "--master-bind-host", "127.0.0.1", "--master-bind-port", port, "--master-port", port]
    done = locust(demo_server, "-u", "8", "-r", "8", "-t", "4s", "--rate", "15", *between, "--reset-stats", "RestUser")
    assert done.returncode == 0, done.stdout + done.stderr
    requests, _ = counts(done)["REST fill_mask"]
    assert 25 <= requests <= 100, "15 a second for 4 s, at random"


def test_missed_limits_are_reported_with_status_1(demo_server: Server) -> None:
    done = locust(demo_server, "-u", "1", "-t", "1s", "--p95-ms", "0.1", "--rate", "100000", "GrpcUser")
    assert done.returncode == 1
    assert re.search(r"load: the 95th percentile is \d+ ms, the limit 0 ms", done.stdout)
    assert re.search(r"load: [\d.]+ requests/s instead of 100000.0; increase the number of users", done.stdout)


def test_an_unknown_model_is_a_one_line_error(demo_server: Server) -> None:
    done = locust(demo_server, "-u", "1", "-t", "1s", "--model", "nix", "RestUser")
    assert done.returncode == 1
    assert "load: the server has no such model or version" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_correct_answer_has_no_fault() -> None:
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
def test_the_fault_of_a_wrong_answer_is_named(change: Mapping[str, Any], words: str) -> None:
    found = fault({**GOOD, **change})
    assert found is not None
    assert words in found


def test_a_missing_output_is_a_fault() -> None:
    assert fault({"scores": GOOD["scores"]}) == "no token_ids in the answer"


def test_the_arrival_rate_does_not_depend_on_latency(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_requests_are_tokenized_with_the_servers_vocabulary(demo_server: Server) -> None:
    asked = questions(demo_server.grpc, "bert_mlm")
    assert len(asked) == SENTENCES
    vocabulary = (ROOT / "models" / "demo" / "vocab.txt").read_text(encoding="utf-8").split("\n")
    for request in asked:
        [position] = request.inputs["mask_positions"][0].tolist()
        assert vocabulary[request.inputs["input_ids"][0].tolist()[position]] == "[MASK]"
