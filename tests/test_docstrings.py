"""Check the first line of every docstring against CONTRIBUTING.md."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("client", "deploy", "export", "loadtest", "models")
MAX_WORDS = 10

_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_CODE = re.compile(r"``.*?``")


def sources() -> Iterator[Path]:
    """Yield the Python files of the project except the generated ones."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if not path.stem.endswith(("_pb2", "_pb2_grpc")) and "build" not in path.parts:
                yield path


def fault(summary: str) -> str | None:
    """Return the fault of a docstring's first paragraph, or None."""
    prose = _CODE.sub("code", summary)
    if "\n" in summary or not summary.endswith("."):
        return "not one line that ends with a full stop"
    if ":" in prose or ";" in prose:
        return "a colon or semicolon outside of code"
    count = len(summary.split())
    return f"{count} words" if count > MAX_WORDS else None


def test_first_lines_are_short_and_have_one_clause() -> None:
    faults = []
    checked = 0
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, _DOCUMENTED) or (text := ast.get_docstring(node)) is None:
                continue
            checked += 1
            summary = text.split("\n\n")[0]
            if found := fault(summary):
                name = getattr(node, "name", "module")
                faults.append(f"{path.relative_to(ROOT)}: {name}: {found}: {summary}")
    assert checked > 1000
    assert not faults, "shorten these first lines (CONTRIBUTING.md):\n" + "\n".join(faults)
