"""Passwords of .env are generated once, and weak ones are rejected."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.elasticsearch.passwords import NAMES, generate, main, weakness

ROOT = Path(__file__).parents[3]


def values(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def test_missing_passwords_are_added_and_others_are_kept() -> None:
    text, added = generate("# mine\nREST_PORT=9\nELASTIC_PASSWORD=one-of-my-own\nREADER_PASSWORD=\n")
    assert added == [name for name in NAMES if name != "ELASTIC_PASSWORD"]
    assert text.startswith("# mine\nREST_PORT=9\nELASTIC_PASSWORD=one-of-my-own\nREADER_PASSWORD=")
    assert weakness(values(text)) is None
    assert generate(text) == (text, [])


def test_two_runs_differ() -> None:
    first, second = (values(generate("")[0]) for _ in range(2))
    assert not set(first.values()) & set(second.values())


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("READER_PASSWORD", "", "READER_PASSWORD is empty"),
        ("ELASTIC_PASSWORD", "changeme", "fewer than 12 characters"),
        ("ELASTIC_PASSWORD", "changeme-changeme", "easy to guess"),
        ("ELASTIC_PASSWORD", "aaaaaaaaaaaaaaaa", "easy to guess"),
        ("KIBANA_ENCRYPTION_KEY", "only-twenty-letters-", "fewer than 32 characters"),
    ],
)
def test_a_weak_password_is_rejected_by_name_and_not_printed(name: str, value: str, words: str) -> None:
    problem = weakness(values(generate("")[0]) | {name: value})
    assert problem is not None
    assert words in problem
    assert "make passwords" in problem
    assert not value or value not in problem


def test_equal_passwords_are_rejected() -> None:
    given = values(generate("")[0])
    assert "same" in (weakness(given | {"READER_PASSWORD": given["ELASTIC_PASSWORD"]}) or "")


def test_the_file_is_its_owners_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / ".env"
    file.write_text("REST_PORT=9\n")
    assert main(["--env", str(file)]) == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not any(
        value in capsys.readouterr().out for name, value in values(file.read_text()).items() if name in NAMES
    )
    before = file.read_text()
    assert main(["--env", str(file)]) == 0
    assert file.read_text() == before


def test_a_default_in_the_file_is_rejected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / ".env").write_text("ELASTIC_PASSWORD=changeme\n")
    assert main(["--env", str(tmp_path / ".env")]) == 1
    assert "ELASTIC_PASSWORD" in capsys.readouterr().err


def test_the_command_needs_no_library_and_checks_the_environment() -> None:
    command = [sys.executable, "-I", "-S", str(ROOT / "deploy/elasticsearch/passwords.py"), "--check"]
    result = subprocess.run(command, env={}, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "ELASTIC_PASSWORD is empty" in result.stderr
