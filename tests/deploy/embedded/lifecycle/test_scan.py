"""Test the scan for version folders."""

import logging
import os
from pathlib import Path

import pytest

from deploy.embedded.errors import Code, ServingError
from deploy.embedded.lifecycle.scan import scan


def make(base: Path, *names: str) -> Path:
    for name in names:
        (base / name).mkdir(parents=True)
    return base


def test_versions_are_folders_with_numbers_for_names(tmp_path: Path) -> None:
    base = make(tmp_path, "1", "00000123", "v1", "0.1", ".tmp-2", "2.tmp", "1_0", "１", "9" * 30, str(2**63 - 1))
    (base / "7").write_text("no folder")
    assert scan(base, "m") == {1: base / "1", 123: base / "00000123", 2**63 - 1: base / str(2**63 - 1)}


def test_signs_and_spaces_are_read_as_upstreams_simple_atoi_does(tmp_path: Path) -> None:
    base = make(tmp_path, "-1", "+2", " 3")
    assert scan(base, "m") == {-1: base / "-1", 2: base / "+2", 3: base / " 3"}


def test_of_two_names_for_one_version_the_last_is_loaded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    base = make(tmp_path, "01", "1")
    with caplog.at_level(logging.WARNING):
        assert scan(base, "m") == {1: base / "1"}
    assert caplog.messages == [
        "Duplicate version directories detected. Version 1 will be loaded from 1, 01 will be ignored."
    ]


def test_a_base_path_that_is_renamed_while_it_is_read_keeps_its_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = make(tmp_path, "1")
    scandir = os.scandir

    def rename_in_between(path: Path) -> object:
        entries = scandir(path)
        base.rename(base.with_name("away"))
        return entries

    monkeypatch.setattr(os, "scandir", rename_in_between)
    assert scan(base, "m") == {1: base / "1"}


def test_a_missing_base_path_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none"
    with pytest.raises(ServingError) as missing:
        scan(path, "m")
    assert missing.value.code is Code.INVALID_ARGUMENT
    text = f"Could not find base path {path} for servable m with error NOT_FOUND: {path} not found"
    assert missing.value.message == text


def test_a_base_path_that_is_a_file_is_an_error_and_no_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ServingError, match="Not a directory"):
        scan(tmp_path / "file", "m")
