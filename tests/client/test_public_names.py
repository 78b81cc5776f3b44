"""Export and servers use only public names of the client."""

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PUBLIC = {
    "bert_mlm_client",
    "bert_mlm_client.batching",
    "bert_mlm_client.commands",
    "bert_mlm_client.errors",
    "bert_mlm_client.onnx_runtime",
    "bert_mlm_client.tokens",
    "bert_mlm_client.transport",
    "bert_mlm_client.vocabulary",
    "bert_mlm_client.wire",
}
MODULES = (ROOT / "client/PRODUCTION.md").read_text(encoding="utf-8")


def imported(folder: str) -> Iterator[tuple[Path, str, str]]:
    """Yield (file, module, name) of a folder's imports from the client."""
    for path in (ROOT / folder).rglob("*.py"):
        if path.name.endswith("_pb2.py"):
            continue
        for found in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(found, ast.ImportFrom) and (found.module or "").partition(".")[0] == "bert_mlm_client":
                yield from ((path, str(found.module), alias.name) for alias in found.names)


@pytest.mark.parametrize("folder", ["export", "deploy", "models"])
def test_others_import_public_names_alone(folder: str) -> None:
    private = [
        f"{path.relative_to(ROOT)}: {module}.{name}"
        for path, module, name in imported(folder)
        if module not in PUBLIC or name not in (*import_module(module).__all__, "__version__")
    ]
    assert private == []


@pytest.mark.parametrize("module", sorted(PUBLIC - {"bert_mlm_client", "bert_mlm_client.errors"}))
def test_public_modules_are_in_the_readme(module: str) -> None:
    assert f"`{module}`" in MODULES
