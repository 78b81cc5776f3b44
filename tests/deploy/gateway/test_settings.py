import os
import re
import subprocess
import sys
import traceback
from pathlib import Path
from unittest.mock import patch

import pytest

from deploy.gateway.__main__ import main
from deploy.gateway.settings import SECRETS, SettingsError, describe
from loadtest.processes import ROOT
from tests.deploy.gateway.conftest import environment
from tests.support.settings import settings_from

KEY = "k" * 32


def test_without_anything_it_listens_on_this_machine_alone_and_asks_the_model_server_there() -> None:
    settings = settings_from({})
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.serving_url == ("grpc://127.0.0.1:8500",)
    assert settings.model_name == "bert_mlm"
    assert settings.keys() == ()


def test_a_flag_wins_over_a_variable_and_an_empty_variable_counts_as_none() -> None:
    variables = {"GATEWAY_PORT": "9000", "GATEWAY_MAX_BATCH": "7", "GATEWAY_HOST": ""}
    settings = settings_from(variables, ["--port", "9001"])
    assert (settings.port, settings.max_batch, settings.host) == (9001, 7, "127.0.0.1")


def test_several_model_servers_are_written_with_commas() -> None:
    settings = settings_from({"SERVING_URL": "grpc://a:8500, grpc://b:8500"})
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
        settings_from(variables)
    assert words in str(caught.value)


def test_all_invalid_settings_are_reported_a_line_each() -> None:
    with pytest.raises(SettingsError) as caught:
        settings_from({"GATEWAY_LOG_TEXT": "some", "GATEWAY_MAX_QUEUE": "-1"}, ["--port", "http"])
    assert str(caught.value).splitlines() == [
        "--port is 'http'; give a whole number from 0 to 65535",
        "GATEWAY_MAX_QUEUE is '-1'; give a whole number from 0 to 100000",
        "GATEWAY_LOG_TEXT is 'some'; give one of masked, digest, none",
    ]


@pytest.mark.parametrize("variable", SECRETS)
def test_an_invalid_secret_is_not_in_the_traceback(variable: str) -> None:
    secret = "not://valid secret"
    with pytest.raises(SettingsError) as caught:
        settings_from({variable: secret, "GATEWAY_LOG_TEXT": "digest", "GATEWAY_PORT": "http"})
    assert secret not in "".join(traceback.format_exception(caught.value))


def test_an_unknown_variable_is_ignored() -> None:
    variables = {"GATEWAY_NO_SUCH_SETTING": "1", "GATEWAY_MEMORY": "1g", "model_name": "other", "gateway_port": "1"}
    assert settings_from(variables) == settings_from({})


def test_the_openapi_document_does_not_depend_on_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    documents = []
    for variables in ({}, {"GATEWAY_API_KEYS": KEY, "GATEWAY_MAX_BATCH": "7"}, {"GATEWAY_PORT": "http"}):
        with patch.dict(os.environ, variables):
            assert main(["openapi"]) == 0
        documents.append(capsys.readouterr().out)
    assert len(set(documents)) == 1


def test_a_bad_value_or_flag_ends_the_start_with_status_2_and_one_sentence() -> None:
    for arguments, words in (
        (["serve", "--port=http"], "gateway: --port is 'http'; give a whole number from 0 to 65535\n"),
        (["serve", "--port=0", "--max-batch=0", "--log-keep=0"], "gateway: --log-keep is '0'; give a whole"),
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
    settings = settings_from({"GATEWAY_API_KEYS": f"{KEY}-variable", "GATEWAY_API_KEYS_FILE": str(file)})
    assert settings.keys() == (f"{KEY}-variable", f"{KEY}-file")
    assert KEY not in repr(settings)


@pytest.mark.parametrize("key", [f"{KEY}密钥", "a key that has spaces", f"{KEY}\x7f"])
def test_a_key_that_no_caller_could_send_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings_from({"GATEWAY_API_KEYS": f"{KEY},{key}"})
    assert "API key 2 of 2 has a space or a character that is not valid in a header" in str(caught.value)
    assert "use printable ASCII characters only" in str(caught.value)
    assert key not in str(caught.value)


@pytest.mark.parametrize("variable", SECRETS)
def test_a_secret_is_no_flag_since_everybody_on_the_machine_can_read_those(
    variable: str, capsys: pytest.CaptureFixture[str]
) -> None:
    flag = "--" + variable.removeprefix("GATEWAY_").lower().replace("_", "-")
    with pytest.raises(SystemExit):
        settings_from({}, [f"{flag}={KEY}"])
    assert "unrecognized arguments" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        settings_from({}, ["--help"])
    assert variable in capsys.readouterr().out


def test_a_file_without_a_key_is_an_error_since_it_would_let_everybody_in(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("# none yet\n")
    with pytest.raises(SettingsError, match="has no key"):
        settings_from({"GATEWAY_API_KEYS_FILE": str(file)})


def test_every_setting_is_described_under_a_name_of_its_own() -> None:
    rows = describe()
    assert len({variable for variable, _, _ in rows}) == len(rows)
    assert all(about for _, _, about in rows)
    assert ("GATEWAY_PORT", "8000", "port to listen on; 0 takes a free one") in rows


def test_help_names_the_other_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        settings_from({}, ["--help"])
    said = capsys.readouterr().out
    assert "Other commands: report" in said
    assert {"openapi", "monitoring"} <= set(re.findall(r"\w+", said.partition("Other commands:")[2]))
