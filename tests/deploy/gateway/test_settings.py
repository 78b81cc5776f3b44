import re
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.gateway.settings import SECRETS, Settings, SettingsError, describe
from loadtest.processes import ROOT
from tests.deploy.gateway.conftest import environment

KEY = "k" * 32


def test_without_anything_it_listens_on_this_machine_alone_and_asks_the_model_server_there() -> None:
    settings = Settings.load([], {})
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.serving_url == ("grpc://127.0.0.1:8500",)
    assert settings.model_name == "bert_mlm"
    assert settings.keys() == ()


def test_a_flag_wins_over_a_variable_and_an_empty_variable_counts_as_none() -> None:
    variables = {"GATEWAY_PORT": "9000", "GATEWAY_MAX_BATCH": "7", "GATEWAY_HOST": ""}
    settings = Settings.load(["--port", "9001"], variables)
    assert (settings.port, settings.max_batch, settings.host) == (9001, 7, "127.0.0.1")


def test_several_model_servers_are_written_with_commas() -> None:
    settings = Settings.load([], {"SERVING_URL": "grpc://a:8500, grpc://b:8500"})
    assert settings.serving_url == ("grpc://a:8500", "grpc://b:8500")


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"GATEWAY_PORT": "99999"}, "GATEWAY_PORT is '99999'; give a whole number from 0 to 65535"),
        ({"GATEWAY_PORT": "-1"}, "give a whole number"),
        ({"GATEWAY_MAX_BATCH": "0"}, "GATEWAY_MAX_BATCH is '0'"),
        ({"GATEWAY_TIMEOUT_S": "soon"}, "give a number from 0.01 to 3600"),
        ({"GATEWAY_TIMEOUT_S": "nan"}, "give a number from 0.01 to 3600"),
        ({"GATEWAY_LOW_CONFIDENCE": "1.5"}, "give a number from 0 to 1"),
        ({"GATEWAY_METRICS_KEY": "maybe"}, "give true or false"),
        ({"GATEWAY_LOG_STDOUT": "text"}, "GATEWAY_LOG_STDOUT is 'text'; give one of none, json"),
        ({"GATEWAY_INSTANCE": "a\nb"}, "give at most 255 printable characters"),
        ({"GATEWAY_INSTANCE": "a" * 256}, "give at most 255 printable characters"),
        ({"SERVING_URL": " , "}, "SERVING_URL has no address"),
        ({"GATEWAY_API_KEYS": "short"}, "shorter than 16 characters"),
        ({"GATEWAY_API_KEYS_FILE": "/nowhere/keys"}, "cannot be read"),
    ],
)
def test_a_value_that_makes_no_sense_is_named_with_what_to_give(variables: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.load([], variables)
    assert words in str(caught.value)


def test_a_bad_value_or_flag_ends_the_start_with_status_2_and_one_sentence() -> None:
    for arguments, words in (
        (["serve", "--port=http"], "gateway: --port is 'http'; give a whole number from 0 to 65535\n"),
        (["serve", "--no-such-flag"], "unrecognized arguments"),
        (["serve", "--serving-url=localhost:8500"], "write grpc://127.0.0.1:8500 or http://127.0.0.1:8501"),
        (["swim"], "unknown command 'swim'; use serve, report, openapi or monitoring"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "deploy.gateway", *arguments],
            cwd=ROOT,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 2, done
        assert words in done.stderr
        assert "Traceback" not in done.stderr


def test_keys_come_from_variable_and_file_together_and_are_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"# the workbench\n{KEY}-file\n\n")
    settings = Settings.load([], {"GATEWAY_API_KEYS": f"{KEY}-variable", "GATEWAY_API_KEYS_FILE": str(file)})
    assert settings.keys() == (f"{KEY}-variable", f"{KEY}-file")
    assert KEY not in repr(settings)


@pytest.mark.parametrize("key", [f"{KEY}密钥", "a key that has spaces", f"{KEY}\x7f"])
def test_a_key_that_no_caller_could_send_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.load([], {"GATEWAY_API_KEYS": f"{KEY},{key}"})
    assert "API key 2 of 2 has a space or a character that is not valid in a header" in str(caught.value)
    assert "use printable ASCII characters only" in str(caught.value)
    assert key not in str(caught.value)


@pytest.mark.parametrize("variable", SECRETS)
def test_a_secret_is_no_flag_since_everybody_on_the_machine_can_read_those(
    variable: str, capsys: pytest.CaptureFixture[str]
) -> None:
    flag = "--" + variable.removeprefix("GATEWAY_").lower().replace("_", "-")
    with pytest.raises(SystemExit):
        Settings.load([f"{flag}={KEY}"], {})
    assert "unrecognized arguments" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        Settings.load(["--help"], {})
    assert variable in capsys.readouterr().out


def test_a_file_without_a_key_is_an_error_since_it_would_let_everybody_in(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("# none yet\n")
    with pytest.raises(SettingsError, match="has no key"):
        Settings.load([], {"GATEWAY_API_KEYS_FILE": str(file)})


def test_every_setting_is_described_under_a_name_of_its_own() -> None:
    rows = describe()
    assert len({variable for variable, _, _ in rows}) == len(rows)
    assert all(about for _, _, about in rows)
    assert ("GATEWAY_PORT", "8000", "port to listen on; 0 takes a free one") in rows


def test_help_names_the_other_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        Settings.load(["--help"], {})
    said = capsys.readouterr().out
    assert "Other commands: report" in said
    assert {"openapi", "monitoring"} <= set(re.findall(r"\w+", said.partition("Other commands:")[2]))
