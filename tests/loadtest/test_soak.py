import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtest import soak
from loadtest.soak import Server, started


@pytest.fixture
def tiny_servable(tiny_version: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy, since a swap removes the older version."""
    servable = tmp_path_factory.mktemp("soaked") / "bert_mlm"
    shutil.copytree(tiny_version, servable / "1")
    return servable


def test_a_soak_with_swaps_loses_nothing(
    tiny_servable: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--minutes", "0.05", "--connections", "4", "--swaps", "1", "--work", str(tmp_path)]
    status = soak.main([*arguments, "--servable", str(tiny_servable)])
    printed = capsys.readouterr().out
    summary = json.loads((tmp_path / "soak.json").read_text())
    assert status == 0, printed
    assert summary["requests"] == summary["right"] > 20
    assert summary["swaps"] == 1
    assert summary["rss_mb"]["most"] > 50
    assert [folder.name for folder in (tmp_path / "bert_mlm").iterdir()] == ["2"]
    assert [folder.name for folder in tiny_servable.iterdir()] == ["1"], "the original is left alone"
    assert "0 wrong, 0 errors, 0 lost; 1 versions swapped" in printed


@pytest.fixture
def tiny_server(tiny_version: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with started(tiny_version.parent, tmp_path_factory.mktemp("served"), ["--engine=onnx"]) as server:
        yield server


def test_wrong_answers_are_counted_and_shown(
    tiny_server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--minutes", "0.02", "--connections", "2", "--tolerance", "-1", "--work", str(tmp_path)]
    assert soak.main([*arguments, "--rest", tiny_server.rest, "--grpc", tiny_server.grpc]) == 1
    summary = json.loads((tmp_path / "soak.json").read_text())
    assert summary["wrong"] > 0
    assert not summary["clean"]
    assert "differs by up to" in capsys.readouterr().out


def test_an_unreachable_server_is_a_one_line_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    addresses = ["--rest", "http://127.0.0.1:1", "--grpc", "grpc://127.0.0.1:1"]
    assert soak.main([*addresses, "--work", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("soak: no connection")
