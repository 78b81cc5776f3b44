"""Requests to servers that answer, fail, start slowly or are not there."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deploy.elasticsearch.errors import SetupError, UsageError
from deploy.elasticsearch.json_api import ApiError, JsonApi, Login

LOGIN = Login("elastic", "wrong", "ELASTIC_PASSWORD")


@pytest.mark.parametrize(
    ("status", "answer", "login", "words"),
    [
        (401, {"error": {"reason": "missing credentials"}}, None, "requires a password; set ELASTIC_PASSWORD"),
        (401, {"error": {"reason": "unable to authenticate"}}, LOGIN, "rejected the password of elastic; check ELAS"),
        (403, {"error": {"reason": "unauthorized"}}, LOGIN, "elastic may not GET /x"),
        (400, {"error": {"reason": "outer", "caused_by": {"reason": "inner"}}}, None, "400: outer, because inner"),
        (405, {"error": "Incorrect HTTP method", "status": 405}, None, "405: Incorrect HTTP method"),
        (400, {"statusCode": 400, "error": "Bad Request", "message": "no such rule type"}, None, "no such rule type"),
        (200, b"<html>", None, "answered 200 without JSON; check the address"),
    ],
)
def test_an_error_is_one_sentence_with_its_reason(
    serving: Callable[..., Any], status: int, answer: Any, login: Login | None, words: str
) -> None:
    with (
        serving([(status, answer)]) as url,
        JsonApi(url, login) as api,
        pytest.raises(SetupError) as raised,
    ):
        api.ask("GET", "/x")
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_closed_port_is_named() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        with JsonApi(f"http://127.0.0.1:{port}") as api, pytest.raises(SetupError, match=f"{port} cannot be reached"):
            api.ask("GET", "/")


def test_a_server_that_does_not_answer_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with JsonApi(url, timeout_s=0.1) as api, pytest.raises(SetupError, match="did not answer in time"):
            api.ask("GET", "/")


def test_a_starting_server_is_awaited(serving: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.elasticsearch.json_api._RETRY_S", 0)
    with serving([(503, {"error": "starting"}), (503, {}), (200, {"ready": True})]) as url, JsonApi(url) as api:
        api.wait_until_ready("/", 30)
        assert api.ask("GET", "/") == {"ready": True}


def test_a_wrong_password_is_not_retried(serving: Callable[..., Any]) -> None:
    with serving([(401, {}), (200, {})]) as url, JsonApi(url, LOGIN) as api:
        with pytest.raises(ApiError) as raised:
            api.wait_until_ready("/", 30)
        assert raised.value.status == 401


@pytest.mark.parametrize("url", ["localhost:9200", "ftp://host", "http://", "http://elastic:secret@host:9200"])
def test_an_address_that_cannot_be_used_is_rejected_without_its_password(url: str) -> None:
    with pytest.raises(UsageError) as raised:
        JsonApi(url)
    assert "secret" not in str(raised.value)


def test_a_certificate_file_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(UsageError, match=r"ca\.pem cannot be read"):
        JsonApi("https://host", ca_file=tmp_path / "ca.pem")
