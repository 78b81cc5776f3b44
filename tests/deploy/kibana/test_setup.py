"""The calls of Kibana's setup; a stand-in answers as Kibana's documentation says."""

import pytest

from deploy.elasticsearch.errors import SetupError
from deploy.elasticsearch.json_api import JsonApi
from deploy.kibana.__main__ import main
from deploy.kibana.saved_objects import dashboards, data_views, rules, searches
from deploy.kibana.setup import HEADERS, set_up
from tests.deploy.kibana.conftest import Kibana


def run(kibana: Kibana) -> list[str]:
    said: list[str] = []
    with JsonApi(kibana.url, headers=HEADERS) as api:
        set_up(api, said.append)
    return said


def test_everything_is_created_and_a_second_run_updates_it(kibana: Kibana) -> None:
    first = run(kibana)
    assert first[0] == f"saved objects: {len([*data_views(), *searches(), *dashboards()])} imported"
    assert all(sentence.endswith(": created") for sentence in first[1:])
    before = dict(kibana.stored)
    second = run(kibana)
    assert all(sentence.endswith(": updated") for sentence in second[1:])
    assert kibana.stored.keys() == before.keys()
    assert len(first) == len(second) == 2 + len(rules())


def test_what_is_fixed_at_creation_is_not_sent_again(kibana: Kibana) -> None:
    run(kibana)
    assert kibana.stored["/api/alerting/rule/bert-mean-latency"]["rule_type_id"] == ".index-threshold"
    assert kibana.stored["/api/actions/connector/bert-alerts"]["connector_type_id"] == ".index"
    run(kibana)
    assert "rule_type_id" not in kibana.stored["/api/alerting/rule/bert-mean-latency"]
    assert "connector_type_id" not in kibana.stored["/api/actions/connector/bert-alerts"]


def test_a_rejected_object_is_named_with_the_reason(kibana: Kibana) -> None:
    kibana.rejects = {"type": "dashboard", "id": "bert-calls", "error": {"type": "unsupported_type"}}
    with pytest.raises(SetupError, match="rejected dashboard bert-calls: unsupported_type; is its version"):
        run(kibana)


def test_the_command_sets_up_with_the_operators_password(
    kibana: Kibana, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPERATOR_PASSWORD", "the-password-of-a-test")
    assert main(["setup", "--url", kibana.url, "--wait-s", "1"]) == 0
    assert "rule bert-refused-documents: created" in capsys.readouterr().out
    assert kibana.requests[0] == ("GET", "/api/status")


def test_a_kibana_that_is_not_there_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["setup", "--url", "http://127.0.0.1:1", "--wait-s", "0"]) == 1
    assert capsys.readouterr().err.startswith("setup: http://127.0.0.1:1 cannot be reached")
