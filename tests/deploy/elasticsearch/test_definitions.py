"""The templates against the gateway's table of fields and Filebeat's names."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from deploy.elasticsearch.definitions import fields, index_templates, roles
from deploy.gateway.log.lines import fields as gateway_fields

ROOT = Path(__file__).parents[3]
TYPES = {
    "date": {"date"},
    "integer": {"integer", "long", "short"},
    "number": {"double"},
    "string": {"keyword", "match_only_text"},
}


def renamed() -> dict[str, str]:
    """Return the names of Filebeat's for the gateway's fields that it renames."""
    document: Any = YAML(typ="safe").load(ROOT / "deploy/filebeat/filebeat.yml")
    branch = document["filebeat.inputs"][0]["processors"][0]["then"]
    (rename,) = (step["rename"] for step in branch if "rename" in step)
    return {one["from"]: one["to"] for one in rename["fields"]} | {"gw.timestamp": "@timestamp"}


def test_every_field_of_the_gateway_has_a_type_that_holds_it() -> None:
    known = fields("bert-logs@mappings", "bert-gateway@mappings")
    for field in gateway_fields():
        name = renamed().get(f"gw.{field.name}", f"gw.{field.name}")
        assert known.get(name) in TYPES[field.type], f"{field.name} is {field.type}, {name} is {known.get(name)}"


def test_no_field_of_the_template_is_unknown_to_the_gateway_and_filebeat() -> None:
    made_by_filebeat = {
        "gw.calls",
        "gw.sentences",
        "gw.errors",
        "gw.refused",
        "event.duration",
        "event.dataset",
        "message",
    }
    of_lines = {renamed().get(f"gw.{field.name}", f"gw.{field.name}") for field in gateway_fields()}
    assert set(fields("bert-logs@mappings", "bert-gateway@mappings")) == of_lines | made_by_filebeat


def test_renamed_fields_become_objects_before_they_get_members() -> None:
    names = list(renamed())
    assert names.index("gw.error") < names.index("gw.error_type")


def test_every_stream_has_a_template_of_its_own_above_elastics() -> None:
    streams = {name: one for name, one in index_templates().items() if "data_stream" in one}
    patterns = [pattern for one in streams.values() for pattern in one["index_patterns"]]
    assert patterns == ["logs-bert.gateway-*", "logs-bert.serving-*", "logs-bert.unparsed-*"]
    assert all(one["priority"] > 200 and "bert-logs@settings" in one["composed_of"] for one in streams.values())


def test_the_writer_can_only_append() -> None:
    role = roles()["bert-writer"]
    assert role["cluster"] == ["monitor"]
    assert role["indices"] == [{"names": ["logs-bert.*"], "privileges": ["auto_configure", "create_doc"]}]
