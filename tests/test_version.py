"""The version's single source and the changelog."""

import re
import tomllib
from pathlib import Path

from bert_mlm_client import __version__

ROOT = Path(__file__).parents[1]


def test_the_version_is_written_once() -> None:
    for file in (ROOT / "pyproject.toml", ROOT / "client/pyproject.toml"):
        assert tomllib.loads(file.read_text())["project"]["dynamic"] == ["version"]


def test_the_changelog_has_the_latest_release_below_what_is_unreleased() -> None:
    sections = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sections[:2] == ["Unreleased", __version__]


def test_the_client_ships_the_licence() -> None:
    assert (ROOT / "client/LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
