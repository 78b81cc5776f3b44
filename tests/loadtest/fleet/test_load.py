import argparse
import threading
from pathlib import Path

import pytest
from bert_mlm_client import UnreachableError

from loadtest.fleet.calls import CallFile, read_calls
from loadtest.fleet.load import CallError, GatewayConnection, send


def test_failed_calls_are_recorded_and_do_not_end_the_load(tmp_path: Path) -> None:
    over = threading.Event()
    asked: list[str] = []
    errors = [UnreachableError("no connection"), CallError("HTTP 504")]

    def ask(sentence: str) -> None:
        asked.append(sentence)
        if errors:
            raise errors.pop(0)
        over.set()

    plan = argparse.Namespace(connections=1, rate=1000.0)
    with CallFile(tmp_path / "calls") as calls:
        send(ask, "client", number=0, plan=plan, calls=calls, over=over)
    found = list(read_calls(tmp_path / "calls"))
    assert [call.error for call in found] == ["UnreachableError: no connection", "CallError: HTTP 504", ""]
    assert {call.path for call in found} == {"client"}
    assert len(set(asked)) == 3
    assert all("[MASK]" in sentence for sentence in asked)


def test_a_gateway_that_is_down_is_a_failed_call(refusing_port: int) -> None:
    with pytest.raises(CallError, match="ConnectionRefusedError"):
        GatewayConnection(refusing_port, 1.0)("[MASK]京")
