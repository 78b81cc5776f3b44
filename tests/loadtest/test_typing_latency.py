from pathlib import Path

import pytest

from loadtest import typing_latency
from loadtest.chromium import NoChromiumError, chromium
from loadtest.typing_latency import Keystroke, screen


def test_typed_characters_are_timed_in_a_browser(
    demo_servable: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        with chromium() as browser:
            version = browser.version
    except NoChromiumError as error:
        pytest.skip(str(error))
    arguments = ["--model-base-path", str(demo_servable), "--keys", "5", "--interval-ms", "0", "--work", str(tmp_path)]
    status = typing_latency.main([*arguments, "--", "--engine=onnx"])
    printed = capsys.readouterr()
    assert status == 0, printed.err
    lines = printed.out.splitlines()
    assert lines[0].startswith(f"Chromium {version}, 5 keys")
    rows = {line[:20].strip(): [float(value) for value in line[20:].split()] for line in lines[2:5]}
    for title in ("key to answer", "engine", "beyond the engine"):
        p50, p95, most = rows[title]
        assert 0 < p50 <= p95 <= most < 10_000
    assert rows["engine"][2] < rows["key to answer"][2]


def test_goals_are_reported_as_met_or_missed() -> None:
    quick, slow = Keystroke(answered_ms=50.0, engine_ms=5.0), Keystroke(answered_ms=140.0, engine_ms=100.0)
    assert screen([quick] * 20).count("\nmet: ") == 2
    told = screen([slow] * 20)
    assert "missed: key to answer within 100 ms at p95" in told
    assert "met: beyond the engine within 60 ms at p95" in told


def test_a_missing_browser_is_a_one_line_error(
    demo_servable: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CHROMIUM", str(tmp_path / "chromium"))
    assert typing_latency.main(["--model-base-path", str(demo_servable), "--work", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"typing: CHROMIUM names {tmp_path / 'chromium'}, which is not a file\n"
