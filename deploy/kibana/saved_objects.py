"""Read the saved objects and rules of this folder."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
CONNECTOR = "bert-alerts"
"""The index connector, the only one of the basic licence besides the server log."""

ALERT_INDEX = "alerts-bert"
Document = dict[str, Any]

_INDEX = "kibanaSavedObjectMeta.searchSourceJSON.index"
# The groups of Kibana's rule types in which an alert is active.
_ACTIVE = {".es-query": "query matched", ".index-threshold": "threshold met"}


def data_views() -> list[Document]:
    """Return the data views of the dashboards and searches."""
    return [
        {
            "type": "index-pattern",
            "id": name,
            "attributes": {"timeFieldName": "@timestamp", "allowHidden": False, **attributes},
            "references": [],
            "coreMigrationVersion": "8.8.0",
            "typeMigrationVersion": "8.0.0",
        }
        for name, attributes in _read("data_views.json").items()
    ]


def searches() -> list[Document]:
    """Return the saved searches of Discover."""
    return [
        {
            "type": "search",
            "id": name,
            "attributes": {
                "title": one["title"],
                "columns": one["columns"],
                "sort": [["@timestamp", "desc"]],
                "kibanaSavedObjectMeta": {
                    "searchSourceJSON": json.dumps(
                        {"query": {"query": one["query"], "language": "lucene"}, "filter": [], "indexRefName": _INDEX}
                    )
                },
            },
            "references": [{"type": "index-pattern", "id": one["data_view"], "name": _INDEX}],
            "coreMigrationVersion": "8.8.0",
            "typeMigrationVersion": "7.9.3",
        }
        for name, one in _read("searches.json").items()
    ]


def dashboards() -> list[Document]:
    """Return the compiled dashboards."""
    return [json.loads(line) for line in (FOLDER / "dashboards.ndjson").read_text("utf-8").splitlines()]


def connector() -> Document:
    """Return the connector that writes the rules' documents."""
    config = {"index": ALERT_INDEX, "refresh": True, "executionTimeField": "@timestamp"}
    return {"name": "BERT: index alerts-bert", "config": config}


def rules() -> dict[str, Document]:
    """Return the rules by id.

    Each writes a document when it fires and one when it recovers.
    """
    found = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted((FOLDER / "rules").glob("*.json"))}
    for rule in found.values():
        groups = {_ACTIVE[rule["rule_type_id"]]: "firing", "recovered": "resolved"}
        rule["actions"] = [_action(group, status) for group, status in groups.items()]
    return found


def _action(group: str, status: str) -> Document:
    document = {
        "message": "{{context.message}}",
        "rule": {"id": "{{rule.id}}", "name": "{{rule.name}}"},
        "alert": {"status": status},
    }
    return {
        "id": CONNECTOR,
        "group": group,
        "params": {"documents": [document]},
        "frequency": {"summary": False, "notify_when": "onActionGroupChange", "throttle": None},
    }


def _read(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((FOLDER / name).read_text("utf-8"))
    return document
