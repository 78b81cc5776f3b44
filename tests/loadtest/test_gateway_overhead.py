import re

import pytest

from loadtest import gateway_overhead


def test_gateway_and_client_are_timed_alternately(capsys: pytest.CaptureFixture[str]) -> None:
    gateway_overhead.main(["--rounds", "2", "--seconds", "0.3"])
    told = capsys.readouterr().out
    figures = {name: float(figure) for name, figure in re.findall(r"^(.*?) +(\d+\.\d+) ms", told, re.MULTILINE)}
    assert set(figures) == {"gateway", "client alone", "the difference"}
    assert 0.05 < figures["client alone"] < figures["gateway"] < 50
