"""The definitions of custom kinds that `make verify-kubernetes` installs."""

from pathlib import Path

import pytest

from loadtest.kubernetes.definitions import definitions
from loadtest.processes import StartError

GO = """#!/bin/sh
mkdir -p module
echo '{"Sum": "h1:another", "Dir": "'$PWD'/module"}'
"""


def test_without_go_there_are_no_definitions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert definitions(tmp_path / "cache") == []


def test_a_module_with_another_checksum_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = tmp_path / "go"
    go.write_text(GO)
    go.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(StartError, match="has the checksum h1:another, not h1:"):
        definitions(tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_failed_download_names_the_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = tmp_path / "go"
    go.write_text("#!/bin/sh\necho 'no route to host' >&2\nexit 1\n")
    go.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(StartError, match=r"prometheus-operator@v0\.85\.0 failed: no route to host"):
        definitions(tmp_path / "cache")
