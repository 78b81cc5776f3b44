"""Failover between two real servers, one of them killed under load."""

from pathlib import Path

import pytest
from bert_mlm_client.transport.balance import LONGEST_PAUSE_S

from loadtest.failover import FAIR_SHARE, measure


@pytest.mark.parametrize("protocol", ["grpc", "rest"])
def test_killing_a_server_fails_no_call_and_its_load_returns(
    light_version: Path, tmp_path: Path, protocol: str
) -> None:
    flags = ["--engine=onnx"]
    phases = measure(light_version.parent, tmp_path, flags, protocol=protocol, seconds=1.0, connections=4)
    assert [phase.failures for phase in phases] == [{}] * 5
    both, killed, _, back, again = phases
    assert back.seconds < LONGEST_PAUSE_S + 2
    assert min(len(both.taken_ms), len(killed.taken_ms), len(again.taken_ms)) > 20
    assert min(both.shares) >= FAIR_SHARE
    assert killed.answered[0] == 0
    assert killed.answered[1] > 20
    assert min(again.shares) >= FAIR_SHARE
