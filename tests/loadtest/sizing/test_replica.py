"""Test the measurement and the check on a real gateway."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from loadtest.processes import ROOT
from loadtest.sizing import check
from loadtest.sizing.open_load import OpenJob
from loadtest.sizing.replica import PATH

needs_two_cores = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="the load generator needs a core of its own",
)


@needs_two_cores
def test_a_prediction_is_printed_beside_a_real_run(
    demo_servable: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "_CLOSED_S", 0.2)
    before = os.sched_getaffinity(0)
    given = [f"--servable={demo_servable}", "--seconds=1", "--rounds=1", "--shares=0.2,0.3", "--limit=1e9"]
    assert check.main(given) == 0
    told = capsys.readouterr().out
    assert len(re.findall(r"^\d[\d.]* requests/s, 0 errors", told, re.MULTILINE)) == 2
    rows = re.findall(r"^  (p95 ms|cores busy|memory MB) +([\d.]+) +([\d.]+)", told, re.MULTILINE)
    assert len(rows) == 6
    assert all(float(predicted) > 0 and float(measured) > 0 for _, predicted, measured in rows)
    assert os.sched_getaffinity(0) == before


@pytest.mark.parametrize(("given", "told"), [("0.4,half", "numbers with commas"), ("0.4,1", "below 1")])
def test_shares_that_mean_nothing_are_usage_errors(given: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        check.main([f"--shares={given}"])
    assert told in capsys.readouterr().err


def test_a_core_for_the_generator_is_required(capsys: pytest.CaptureFixture[str]) -> None:
    assert check.main(["--cores=1000"]) == 1
    assert "choose 1 to" in capsys.readouterr().err


def test_the_generator_counts_answers_and_errors(demo_gateway: str) -> None:
    port = int(demo_gateway.rpartition(":")[2])
    good, bad = json.dumps({"text": "今天天气真[MASK]。"}).encode(), b"{}"
    job = OpenJob(port, PATH, (good, bad), requests_per_s=40, warm_up_s=0, seconds=1)
    command = [sys.executable, "-m", "loadtest.sizing.open_load"]
    done = subprocess.run(command, cwd=ROOT, input=job.to_json(), capture_output=True, text=True, check=True)
    result = json.loads(done.stdout)
    sent = len(result["latencies_ms"]) + result["errors"]
    assert 20 < sent < 70
    assert abs(len(result["latencies_ms"]) - result["errors"]) <= 1
    assert result["first_error"].startswith("HTTP 4")
