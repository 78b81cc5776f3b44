"""The setup on a real server: what it makes, repeats, upgrades and refuses."""

import copy
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.elasticsearch import definitions, setup
from deploy.elasticsearch.__main__ import main
from deploy.elasticsearch.accounts import Account, accounts, secret
from deploy.elasticsearch.errors import SetupError, UsageError
from deploy.elasticsearch.json_api import ApiError, JsonApi, Login

ROOT = Path(__file__).parents[3]
LINE = {"@timestamp": "2026-11-30T00:00:00.000Z", "event": {"dataset": "bert.gateway"}}


def set_up(api: JsonApi, *given: Account) -> list[str]:
    said: list[str] = []
    setup.set_up(api, retention="30d", accounts=given, say=said.append)
    return said


def test_a_second_run_changes_nothing(elasticsearch: JsonApi) -> None:
    set_up(elasticsearch)
    said = set_up(elasticsearch)
    outcomes = [sentence for sentence in said if sentence.startswith(("component", "index", "role"))]
    assert len(outcomes) == len({*definitions.component_templates("30d")}) + 4 + 3
    assert all(sentence.endswith(": unchanged") for sentence in outcomes), outcomes


def test_a_line_becomes_a_document_of_a_stream_with_our_types(elasticsearch: JsonApi, namespace: str) -> None:
    set_up(elasticsearch)
    stream = f"logs-bert.gateway-{namespace}"
    elasticsearch.ask("PUT", f"/{stream}/_create/1?refresh=true", LINE | {"gw": {"score": 1, "level": "INFO"}})
    elasticsearch.ask("PUT", f"/{stream}/_create/2?refresh=true", LINE | {"gw": {"score": 0.1, "new_field": {"a": 1}}})
    search = {"size": 0, "aggs": {"mean": {"avg": {"field": "gw.score"}}, "level": {"terms": {"field": "log.level"}}}}
    found = elasticsearch.ask("POST", f"/{stream}/_search", search)
    assert found["aggregations"]["mean"]["value"] == pytest.approx(0.55)
    assert found["aggregations"]["level"]["buckets"] == [{"key": "INFO", "doc_count": 1}]  # an alias of gw.level
    (mapping,) = elasticsearch.ask("GET", f"/{stream}/_mapping").values()
    expected = definitions.fields("bert-logs@mappings", "bert-gateway@mappings")
    found = definitions.types(mapping["mappings"]["properties"])
    assert found.keys() == expected.keys()
    # a test distribution has text in the place of match_only_text
    assert {(found[name], kind) for name, kind in expected.items() if found[name] != kind} <= {
        ("text", "match_only_text")
    }


def test_a_document_that_does_not_fit_goes_to_the_failure_store(elasticsearch: JsonApi, namespace: str) -> None:
    set_up(elasticsearch)
    stream = f"logs-bert.gateway-{namespace}"
    elasticsearch.ask("POST", f"/{stream}/_doc?refresh=true", LINE)
    elasticsearch.ask("POST", f"/{stream}/_doc?refresh=true", LINE | {"error": "a text in an object"})
    assert elasticsearch.ask("GET", f"/{stream}/_count")["count"] == 1
    (failed,) = elasticsearch.ask("GET", f"/{stream}::failures/_search")["hits"]["hits"]
    assert failed["_source"]["document"]["source"]["error"] == "a text in an object"


def test_a_text_in_a_number_costs_the_field_and_not_the_line(elasticsearch: JsonApi, namespace: str) -> None:
    set_up(elasticsearch)
    stream = f"logs-bert.gateway-{namespace}"
    elasticsearch.ask("POST", f"/{stream}/_doc?refresh=true", LINE | {"gw": {"score": "high"}})
    (hit,) = elasticsearch.ask("GET", f"/{stream}/_search")["hits"]["hits"]
    assert hit["_ignored"] == ["gw.score"]


Upgrade = Callable[[str, Callable[[Any], None]], list[str]]


@pytest.fixture
def upgrade(elasticsearch: JsonApi, monkeypatch: pytest.MonkeyPatch) -> Iterator[Upgrade]:
    """Write a line to a stream, change the fields of the gateway's template, and set up again."""
    read = definitions._read

    def run(stream: str, change: Callable[[Any], None]) -> list[str]:
        set_up(elasticsearch)
        elasticsearch.ask("POST", f"/{stream}/_doc", LINE)

        def with_change(folder: str, meta: str) -> dict[str, definitions.Document]:
            documents = copy.deepcopy(read(folder, meta))
            if folder == "component_templates":
                change(documents["bert-gateway@mappings"]["template"]["mappings"]["properties"])
            return documents

        monkeypatch.setattr(definitions, "_read", with_change)
        return set_up(elasticsearch)

    yield run
    monkeypatch.undo()
    set_up(elasticsearch)  # for the other tests


def test_an_upgrade_adds_fields_to_a_stream_that_exists(
    elasticsearch: JsonApi, namespace: str, upgrade: Upgrade
) -> None:
    stream = f"logs-bert.gateway-{namespace}"
    said = upgrade(stream, lambda fields: fields["gw"]["properties"].update(new_field={"type": "keyword"}))
    assert "component template bert-gateway@mappings: updated" in said
    assert f"stream {stream}: has the current fields" in said
    (mapping,) = elasticsearch.ask("GET", f"/{stream}/_mapping").values()
    assert mapping["mappings"]["properties"]["gw"]["properties"]["new_field"] == {"type": "keyword"}


@pytest.mark.parametrize(
    "change",
    [
        lambda fields: fields["gw"]["properties"].update(device={"type": "match_only_text"}),
        lambda fields: fields["log"]["properties"].update(level={"type": "keyword"}),
    ],
    ids=["another type", "a field in the place of an alias"],
)
def test_another_type_of_a_field_rolls_the_stream_over(
    elasticsearch: JsonApi, namespace: str, upgrade: Upgrade, change: Callable[[Any], None]
) -> None:
    stream = f"logs-bert.gateway-{namespace}"
    said = upgrade(stream, change)
    assert [sentence for sentence in said if sentence.startswith(f"stream {stream}: rolled over")]
    assert len(elasticsearch.ask("GET", f"/{stream}/_mapping")) == 2


@pytest.mark.parametrize(
    ("index", "body", "found"),
    [
        ("logs-bert.other-{}", {}, "logs-bert.other-{} is an index, not a data stream"),
        ("plain-{}", {"aliases": {"logs-bert.alias-{}": {}}}, "logs-bert.alias-{} is an alias"),
    ],
)
def test_a_plain_index_or_alias_under_a_streams_name_is_refused(
    elasticsearch: JsonApi, namespace: str, index: str, body: dict[str, Any], found: str
) -> None:
    body = json.loads(json.dumps(body).replace("-{}", f"-{namespace}"))
    elasticsearch.ask("PUT", f"/{index.format(namespace)}", body)
    try:
        with pytest.raises(SetupError, match=re.escape(found.format(namespace))):
            set_up(elasticsearch)
    finally:
        elasticsearch.ask("DELETE", f"/{index.format(namespace)}")


def test_each_account_may_do_what_its_role_says(elasticsearch: JsonApi, namespace: str) -> None:
    given = [Account("bert-reader", "reader-of-a-test", "bert-reader")]
    given += [Account("bert-filebeat", "writer-of-a-test", "bert-writer")]
    if elasticsearch._login is None:
        pytest.skip("ELASTIC_PASSWORD is not set: without security there are no accounts")
    set_up(elasticsearch, *given)
    stream = f"logs-bert.gateway-{namespace}"
    with (
        JsonApi(elasticsearch.url, Login("bert-filebeat", "writer-of-a-test", "")) as writer,
        JsonApi(elasticsearch.url, Login("bert-reader", "reader-of-a-test", "")) as reader,
    ):
        writer.ask("PUT", f"/{stream}/_create/1?refresh=true", LINE)
        for forbidden in (
            ("GET", f"/{stream}/_search", None),
            ("DELETE", f"/{stream}/_doc/1", None),
            ("PUT", f"/{stream}/_mapping", {"properties": {"x": {"type": "long"}}}),
            ("PUT", "/_index_template/bert-gateway", {"index_patterns": ["x"]}),
            ("POST", f"/other-{namespace}/_doc", LINE),
        ):
            with pytest.raises(ApiError) as refused:
                writer.ask(*forbidden)
            assert refused.value.status == 403, forbidden
        assert reader.ask("GET", f"/{stream}/_count")["count"] == 1
        assert reader.ask("GET", f"/{stream}::failures/_search")["hits"]["hits"] == []
        with pytest.raises(ApiError, match="bert-reader may not"):
            reader.ask("POST", f"/{stream}/_doc", LINE)


def test_an_old_server_is_refused(serving: Callable[..., Any]) -> None:
    for version in ("7.17.0", "8.18.9", "9.0.4"):
        answer = (200, {"version": {"number": version}})
        with serving([answer]) as url, JsonApi(url) as api, pytest.raises(SetupError, match=version):
            set_up(api)


def test_passwords_come_from_variables_or_files(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("from a file\n")
    given = {"FILEBEAT_PASSWORD_FILE": str(tmp_path / "password"), "KIBANA_PASSWORD": "from a variable"}
    assert accounts(given) == [
        Account("kibana_system", "from a variable", None),
        Account("bert-filebeat", "from a file", "bert-writer"),
    ]
    with pytest.raises(UsageError, match="both set"):
        secret("KIBANA_PASSWORD", given | {"KIBANA_PASSWORD_FILE": "x"})
    with pytest.raises(UsageError, match="cannot be read"):
        secret("X", {"X_FILE": str(tmp_path / "missing")})


@pytest.mark.parametrize("arguments", [["--retention", "30"], ["--retention", "0d"], ["--timeout-s", "x"]])
def test_a_wrong_argument_is_a_usage_error(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["setup", *arguments])
    assert ended.value.code == 2
    assert "error: " in capsys.readouterr().err


def test_the_command_reports_an_error_in_one_line() -> None:
    command = [sys.executable, "-m", "deploy.elasticsearch", "setup", "--url", "http://127.0.0.1:1", "--wait-s", "0"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr.startswith("setup: http://127.0.0.1:1 cannot be reached")
    assert result.stderr.count("\n") == 1
