"""Test the comparison of gateways, and the division of CPU time by function."""

import re
from pathlib import Path

import pytest

from loadtest import gateway_speed
from loadtest.sampling import packages, parse

STACKS = """\
<module> (runpy.py:1);run (uvicorn/server.py:75);_answered (/srv/deploy/gateway/telemetry/recorder.py:180) 3
<module> (runpy.py:1);observe (/srv/.venv/lib/python3.11/site-packages/prometheus_client/metrics.py:600) 2
<module> (runpy.py:1);observe (/srv/.venv/lib/python3.11/site-packages/prometheus_client/metrics.py:601) 4
run (threading.py:975);encode (/srv/client/bert_mlm_client/tokens.py:150) 1
_bootstrap (threading.py:1002);_worker (concurrent/futures/thread.py:81) 50
process 1234:"python -m deploy.gateway" 7
"""


def test_samples_of_the_main_thread_count_for_the_innermost_function() -> None:
    found = parse(STACKS)
    assert found == {
        ("deploy/gateway/telemetry/recorder.py", "_answered"): 3,
        ("prometheus_client/metrics.py", "observe"): 6,
        ("bert_mlm_client/tokens.py", "encode"): 1,
    }
    assert packages(found) == {"prometheus_client": 6, "deploy/gateway/telemetry": 3, "bert_mlm_client/tokens.py": 1}


def test_gateways_with_and_without_a_server_are_compared(
    demo_version: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway_speed.main([f"--servable={demo_version.parent}", "--rounds=1", "--seconds=0.2"])
    told = capsys.readouterr().out
    busy = told[told.index("16 connections") : told.index("1 sentence")]
    rates = {name: int(rate) for name, rate in re.findall(r"^  (\w+) +(\d+) \(", busy, re.MULTILINE)}
    assert set(rates) == {"new", "one"}
    assert min(rates.values()) > 10
    assert re.search(r"^  new .* server \d+\.\d+ \+ gateway \d+\.\d+$", busy, re.MULTILINE)
    assert re.search(r"^  one .* gateway \d+\.\d+$", busy, re.MULTILINE)
    assert re.search(r"^  one +\d+ \(gateway \d+\)$", told, re.MULTILINE), "memory"
