"""Read the templates and roles of this folder."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
SETTINGS = "bert-logs@settings"
"""The component template with the retention."""

STREAMS = "logs-bert.*"
Document = dict[str, Any]


def component_templates(retention: str) -> dict[str, Document]:
    """Return the component templates by name."""
    found = _read("component_templates", "_meta")
    found[SETTINGS]["template"]["lifecycle"]["data_retention"] = retention
    return _with_digests(found, "_meta")


def index_templates() -> dict[str, Document]:
    """Return the index templates by name."""
    return _with_digests(_read("index_templates", "_meta"), "_meta")


def roles() -> dict[str, Document]:
    """Return the roles by name."""
    return _with_digests(_read("roles", "metadata"), "metadata")


def fields(*names: str) -> dict[str, str]:
    """Return the field types of component templates by dotted name."""
    templates = _read("component_templates", "_meta")
    found: dict[str, str] = {}
    for name in names:
        found |= types(templates[name]["template"]["mappings"]["properties"])
    return found


def types(properties: Mapping[str, Any]) -> dict[str, str]:
    """Return the field types of a mapping by dotted name.

    An alias has the type of its field.
    """
    found = dict(_flat(properties))
    return {name: found[field["path"]]["type"] if "path" in field else field["type"] for name, field in found.items()}


def aliases(name: str) -> dict[str, str]:
    """Return the field of every alias in a component template."""
    properties = _read("component_templates", "_meta")[name]["template"]["mappings"]["properties"]
    return {alias: field["path"] for alias, field in _flat(properties) if "path" in field}


def _flat(properties: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, field in properties.items():
        if "properties" in field:
            yield from _flat(field["properties"], f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field


def _read(folder: str, meta: str) -> dict[str, Document]:
    found = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted((FOLDER / folder).glob("*.json"))}
    for document in found.values():
        document.setdefault(meta, {})
    return found


def _with_digests(documents: dict[str, Document], meta: str) -> dict[str, Document]:
    """Add a digest of the content, for detecting changes.

    The server returns a normalized form (texts for numbers, defaults), which cannot be compared with the file.
    """
    for document in documents.values():
        document[meta]["digest"] = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16]
    return documents
