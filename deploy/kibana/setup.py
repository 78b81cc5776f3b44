"""Set up Kibana for the logs."""

import json
from collections.abc import Callable

from deploy.elasticsearch.errors import SetupError
from deploy.elasticsearch.json_api import JsonApi
from deploy.kibana.saved_objects import CONNECTOR, Document, connector, dashboards, data_views, rules, searches

HEADERS = {"kbn-xsrf": "true"}
"""Kibana rejects changes without this header."""

Say = Callable[[str], object]


def set_up(api: JsonApi, say: Say) -> None:
    """Import dashboards, data views, searches and rules.

    Existing ones are updated, so this is idempotent.

    Raises:
        SetupError: Kibana rejected a request or a saved object.
    """
    _import([*data_views(), *searches(), *dashboards()], api, say)
    _put(api, f"/api/actions/connector/{CONNECTOR}", connector(), {"connector_type_id": ".index"}, say)
    for name, rule in rules().items():
        fixed = {key: rule.pop(key) for key in ("rule_type_id", "consumer")}
        _put(api, f"/api/alerting/rule/{name}", rule, fixed, say)


def _import(objects: list[Document], api: JsonApi, say: Say) -> None:
    lines = "".join(f"{json.dumps(one, ensure_ascii=False)}\n" for one in objects)
    file = {"file": ("bert.ndjson", lines.encode(), "application/x-ndjson")}
    answer = api.ask("POST", "/api/saved_objects/_import?overwrite=true", files=file)
    if not answer["success"]:
        error = answer["errors"][0]
        reason = error["error"].get("message") or error["error"]["type"]
        msg = f"Kibana rejected {error['type']} {error['id']}: {reason}; is its version that of ELASTIC_VERSION?"
        raise SetupError(msg)
    say(f"saved objects: {answer['successCount']} imported")


def _put(api: JsonApi, path: str, document: Document, fixed: Document, say: Say) -> None:
    """Create or update a saved object.

    Kibana accepts the fixed fields only at creation.
    """
    kind, name = path.split("/")[-2:]
    if api.ask("GET", path, missing=False) is False:
        api.ask("POST", path, document | fixed)
        say(f"{kind} {name}: created")
    else:
        api.ask("PUT", path, document)
        say(f"{kind} {name}: updated")
