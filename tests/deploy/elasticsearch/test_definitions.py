"""The templates against the gateway's table of fields and the documented names."""

import re
from pathlib import Path

from deploy.elasticsearch.definitions import aliases, fields, index_templates, roles
from deploy.gateway.log.lines import fields as gateway_fields

README = Path(__file__).parents[3] / "deploy/README.md"
TYPES = {
    "date": {"date"},
    "integer": {"integer", "long", "short"},
    "number": {"double"},
    "string": {"keyword", "match_only_text"},
}


def test_every_field_of_the_gateway_has_a_type_that_holds_it() -> None:
    known = fields("bert-logs@mappings", "bert-gateway@mappings")
    for field in gateway_fields():
        name = "@timestamp" if field.name == "timestamp" else f"gw.{field.name}"
        assert known.get(name) in TYPES[field.type], f"{field.name} is {field.type}, {name} is {known.get(name)}"


def test_no_field_of_the_template_is_unknown_to_the_gateway_and_filebeat() -> None:
    of_lines = {f"gw.{field.name}" for field in gateway_fields()} - {"gw.timestamp"}
    others = {"@timestamp", "event.dataset", "message", *aliases("bert-gateway@mappings")}
    assert set(fields("bert-logs@mappings", "bert-gateway@mappings")) == of_lines | others


def test_the_documented_names_of_the_elastic_common_schema_are_aliases() -> None:
    rows = re.findall(r"^\| (`[^|]+) \| (`[^|]+) \|$", README.read_text("utf-8"), re.MULTILINE)
    named: dict[str, str] = {}
    for lines, documents in rows:
        named |= dict(zip(re.findall(r"`(\w+)`", lines), re.findall(r"`([\w@.]+)`", documents), strict=True))
    assert named.pop("timestamp") == "@timestamp"
    assert {f"gw.{name}": alias for name, alias in named.items()} == {
        field: alias for alias, field in aliases("bert-gateway@mappings").items()
    }


def test_every_stream_has_a_template_of_its_own_above_elastics() -> None:
    streams = {name: one for name, one in index_templates().items() if "data_stream" in one}
    patterns = [pattern for one in streams.values() for pattern in one["index_patterns"]]
    assert patterns == ["logs-bert.gateway-*", "logs-bert.serving-*", "logs-bert.unparsed-*"]
    assert all(one["priority"] > 200 and "bert-logs@settings" in one["composed_of"] for one in streams.values())


def test_the_writer_can_only_append() -> None:
    role = roles()["bert-writer"]
    assert role["cluster"] == ["monitor"]
    assert role["indices"] == [{"names": ["logs-bert.*"], "privileges": ["auto_configure", "create_doc"]}]
