"""Read the templates and roles of this folder."""

import hashlib
import json
from collections.abc import Mapping
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
    """Return the type of every field in the mappings of component templates, by its dotted name."""
    templates = _read("component_templates", "_meta")
    found: dict[str, str] = {}
    for name in names:
        found |= _flat(templates[name]["template"]["mappings"]["properties"])
    return found


def _flat(properties: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, field in properties.items():
        if "properties" in field:
            found |= _flat(field["properties"], f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = field["type"]
    return found


def _read(folder: str, meta: str) -> dict[str, Document]:
    found = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted((FOLDER / folder).glob("*.json"))}
    for document in found.values():
        document.setdefault(meta, {})
    return found


def _with_digests(documents: dict[str, Document], meta: str) -> dict[str, Document]:
    """Add a digest of the content, by which the setup finds what has changed.

    The server returns a normalized form (texts for numbers, defaults), which cannot be compared with the file.
    """
    for document in documents.values():
        document[meta]["digest"] = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16]
    return documents
