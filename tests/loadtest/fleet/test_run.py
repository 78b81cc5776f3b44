"""A small run in real namespaces, where they can be created."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from loadtest.fleet import __main__ as fleet
from loadtest.fleet import network
from loadtest.fleet.network import Network, call_in
from loadtest.processes import StartError


@pytest.fixture(scope="module")
def possible() -> None:
    """Skip the test where namespaces cannot be created."""
    try:
        with Network(2):
            return
    except StartError as error:
        pytest.skip(str(error))


needs_namespaces = pytest.mark.usefixtures("possible")


def namespaces() -> str:
    return subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout


@needs_namespaces
def test_the_namespaces_are_deleted_after_an_error() -> None:
    created = Network(2)

    def fail() -> None:
        with created:
            assert created.front in namespaces()
            network._ip("-n", created.front, "link", "show", "no-such-link")

    with pytest.raises(StartError, match="no-such-link"):
        fail()
    assert created.front not in namespaces()
    assert not Path("/etc/netns", created.front).exists()


@needs_namespaces
def test_namespaces_of_a_killed_run_are_deleted() -> None:
    stale = f"bertfleet-{2**22 + 1}-front"  # above the largest process number
    subprocess.run(["ip", "netns", "add", stale], check=True)
    with Network(2):
        assert stale not in namespaces()


@needs_namespaces
def test_an_error_in_a_namespace_reaches_the_caller() -> None:
    with Network(2) as created, pytest.raises(ZeroDivisionError):
        call_in(created.front, lambda: 1 // 0)


@needs_namespaces
def test_a_server_that_is_cut_off_fails_no_call(
    tiny_version: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--servable", str(tiny_version.parent), "--work", str(tmp_path), "--scenarios", "cut,roll"]
    arguments += ["--servers", "2", "--connections", "2", "--rate", "20", "--seconds", "1", "--fault-s", "5"]
    status = fleet.main(arguments)
    printed = capsys.readouterr().out
    assert status == 0, printed
    cut, roll = json.loads((tmp_path / "fleet.json").read_text())["scenarios"]
    before, during, _, _ = cut["phases"]
    assert min(before["shares"]) > 0.4
    assert during["shares"] == [0.0, 1.0]
    assert [phase["client"]["failed"] + phase["gateway"]["failed"] for phase in cut["phases"]] == [0] * 4
    assert min(during["client"]["calls"], during["gateway"]["calls"]) > 20, "the load goes on meanwhile"
    assert roll["faults"] == []
    assert not (tmp_path / "server1").exists(), "the copies of the version are deleted"


def test_without_ip_the_package_to_install_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert fleet.main(["--work", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "fleet: the program ip is missing: install the package iproute2\n"


def test_without_root_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(sys, "platform", "linux")
    assert fleet.main(["--work", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "fleet: network namespaces need root: run it with sudo\n"


def test_an_unknown_scenario_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        fleet.main(["--scenarios", "burn"])
    assert "no scenario 'burn'; choose from stop, kill, cut, slow, roll" in capsys.readouterr().err


def test_a_folder_without_a_version_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="has no version; run `make export` first"), fleet.exported(tmp_path):
        pass
