"""The trap records what it is there to record."""

import pytest

from tests.support.checkout import ROOT
from tests.support.trap import open_trap


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
