"""Dashboards, searches and rules against the templates, and their requests on a real server."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from deploy.elasticsearch.definitions import fields, index_templates
from deploy.elasticsearch.json_api import JsonApi
from deploy.elasticsearch.setup import set_up
from deploy.kibana.saved_objects import ALERT_INDEX, CONNECTOR, connector, dashboards, data_views, rules, searches
from loadtest.log_pipeline.panels import Panel, Range, panels

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy/kibana"
RANGE = Range("2026-11-30T00:00:00Z", "2026-12-01T00:00:00Z", "Asia/Shanghai", "5m")
AGGREGATABLE = {"date", "keyword", "double", "integer", "long", "short"}
LINE = {"@timestamp": "2026-11-30T12:00:00.000Z", "event": {"dataset": "bert.gateway"}}


def known(index: str) -> dict[str, str]:
    """Return the fields of the template whose pattern is this."""
    if "::failures" in index:  # Elasticsearch's own fields of failure stores
        return {"@timestamp": "date", "error.type": "keyword"}
    (template,) = (one for one in index_templates().values() if index in one["index_patterns"])
    own = template.get("template", {}).get("mappings", {}).get("properties")
    if own:
        return {"@timestamp": "date", "message": "match_only_text", "rule.id": "keyword", "rule.name": "keyword"}
    return fields(*(name for name in template["composed_of"] if name.endswith("@mappings")))


PANELS = [pytest.param(panel, id=f"{panel.dashboard}: {panel.title}") for panel in panels(RANGE)]


@pytest.mark.parametrize("panel", PANELS)
def test_every_field_of_a_panel_is_in_its_template_and_can_be_aggregated(panel: Panel) -> None:
    for name in panel.fields:
        assert known(panel.index).get(name) in AGGREGATABLE, name


@pytest.mark.parametrize("panel", PANELS)
def test_every_field_of_a_panels_query_is_in_its_template(panel: Panel) -> None:
    for name in re.findall(r"([a-z_.]+):[^:]", json.dumps(panel.body["query"])):
        assert name in known(panel.index), name


def test_calls_are_sums_and_percentiles_have_a_compression() -> None:
    for panel in panels(RANGE):
        text = json.dumps(panel.body)
        assert text.count('"percentiles"') == text.count('"compression": 1000')
        if "all" in panel.title.lower() and panel.dashboard == "bert-calls":
            assert "doc_count" not in panel.metrics
            assert '{"sum": {"field": "gw.calls"}}' in text


def test_explanations_are_only_in_panels_by_task_and_of_errors() -> None:
    for panel in panels(RANGE):
        query = json.dumps(panel.body["query"])
        is_of_all = "gw.module:inference" in query and "gw.task" not in panel.fields
        assert ("NOT gw.task:explanation" in query) == is_of_all, panel.title


def test_there_are_the_four_dashboards_and_one_for_answers() -> None:
    assert [one["id"] for one in dashboards()] == [
        "bert-resources",
        "bert-latency",
        "bert-errors",
        "bert-calls",
        "bert-answers",
    ]


def test_every_reference_is_to_a_data_view_that_is_shipped() -> None:
    shipped = {one["id"] for one in data_views()}
    referred = {reference["id"] for one in [*dashboards(), *searches()] for reference in one["references"]}
    assert referred <= shipped


@pytest.mark.parametrize("search", searches(), ids=lambda one: one["id"])
def test_every_column_of_a_search_is_in_its_template(search: dict[str, Any]) -> None:
    titles = {one["id"]: one["attributes"]["title"] for one in data_views()}
    assert set(search["attributes"]["columns"]) <= known(titles[search["references"][0]["id"]]).keys()


def test_rules_write_documents_that_the_template_of_their_index_knows() -> None:
    assert connector()["config"]["index"] == ALERT_INDEX
    for rule in rules().values():
        assert [action["id"] for action in rule["actions"]] == [CONNECTOR, CONNECTOR]
        (document,) = rule["actions"][0]["params"]["documents"]
        template = index_templates()["bert-alerts"]["template"]["mappings"]["properties"]
        assert document.keys() <= template.keys()


def test_the_compiled_dashboards_are_current(tmp_path: Path) -> None:
    compiler = shutil.which("kb-dashboard") or shutil.which(ROOT / ".venv-kibana/bin/kb-dashboard")
    if compiler is None:
        pytest.skip("kb-dashboard is not installed: it needs Python 3.12; `make dashboards` installs it")
    command = [compiler, "compile", "--input-dir", str(FOLDER / "dashboards"), "--output-dir", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    compiled = (tmp_path / "compiled_dashboards.ndjson").read_text("utf-8")
    assert compiled == (FOLDER / "dashboards.ndjson").read_text("utf-8"), "run `make dashboards`"


def test_every_panel_and_search_is_accepted_by_the_server(elasticsearch: JsonApi, namespace: str) -> None:
    set_up(elasticsearch, retention="30d", accounts=(), say=lambda _: None)
    elasticsearch.ask("POST", f"/logs-bert.gateway-{namespace}/_doc?refresh=true", LINE)
    for panel in panels(RANGE):
        index = panel.index.replace("-*", f"-{namespace}").replace(".*::", f".*-{namespace}::")
        answer = elasticsearch.ask("POST", f"/{index}/_search?ignore_unavailable=true", panel.body)
        assert answer["_shards"]["failed"] == 0, panel.title
    for search in searches():
        source = json.loads(search["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])
        body = {"query": {"query_string": {"query": source["query"]["query"] or "*"}}}
        elasticsearch.ask("POST", f"/logs-bert.gateway-{namespace}/_search", body)


def test_rules_find_the_lines_and_documents_that_they_are_about(elasticsearch: JsonApi, namespace: str) -> None:
    set_up(elasticsearch, retention="30d", accounts=(), say=lambda _: None)
    stream = f"logs-bert.gateway-{namespace}"
    alert = {"module": "alert", "task": "consecutive_errors", "status": "firing", "threshold": 5.0}
    for document in (
        LINE | {"gw": {"module": "inference", "status": "failed"}},
        LINE | {"gw": alert},
        LINE | {"gw": alert | {"status": "resolved"}},
        LINE | {"error": "refused"},
    ):
        elasticsearch.ask("POST", f"/{stream}/_doc?refresh=true", document)
    found = {}
    for name, rule in rules().items():
        if "esQuery" in rule["params"]:
            (index,) = rule["params"]["index"]
            index = index.replace("-*", f"-{namespace}").replace(".*::", f".*-{namespace}::")
            query = json.loads(rule["params"]["esQuery"])
            found[name] = elasticsearch.ask("POST", f"/{index}/_search", query)["hits"]["total"]["value"]
    assert found == {"bert-consecutive-errors": 1, "bert-refused-documents": 1}
