"""Direct and indirect imports of the project's modules, from their source."""

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

FOLDERS = {"client": "client", "export": ".", "deploy": ".", "loadtest": ".", "models": ".", "tests": "."}
"""Folders of the project's modules, with their entry on sys.path."""

DYNAMIC = {"import_module", "__import__", "importorskip"}
"""Functions whose first argument is a module's name."""


class ImportGraph:
    """Imports of all modules under a root, also inside functions."""

    def __init__(self, root: Path, folders: Mapping[str, str] = FOLDERS) -> None:
        self.paths = dict(_modules(root, folders))
        self._direct = {name: self._imports(name) for name in self.paths}

    def reached(self, *starts: str) -> set[str]:
        """Return all modules that a process may load from these."""
        found: set[str] = set()
        waiting = list(starts)
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += self._direct.get(name, ())
        return found

    def direct(self, name: str) -> set[str]:
        """Return a module's direct imports."""
        return self._direct[name]

    def path(self, start: str, packages: Iterable[str]) -> list[str]:
        """Return the shortest path to some packages, or an empty one."""
        ways = [[start]]
        seen = {start}
        for way in ways:
            if way[-1].partition(".")[0] in packages:
                return way
            for name in sorted(self._direct.get(way[-1], set()) - seen):
                seen.add(name)
                ways.append([*way, name])
        return []

    def _imports(self, name: str) -> set[str]:
        package = name if self.paths[name].name == "__init__.py" else name.rpartition(".")[0]
        named = {
            imported
            for node in ast.walk(ast.parse(self.paths[name].read_bytes()))
            for imported in _imported(node, package)
        }
        # Importing a.b.c runs a and a.b first.
        whole = {parent for imported in {*named, name} for parent in _with_parents(imported)}
        if self.paths[name].name.startswith("test_"):
            whole |= {parent for parent in _conftests(name) if parent in self.paths}
        return whole - {name}


def _modules(root: Path, folders: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    for folder, base in folders.items():
        for path in (root / folder).rglob("*.py"):
            parts = path.relative_to(root / base).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def _imported(node: ast.AST, package: str) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            yield from (alias.name for alias in names)
        case ast.ImportFrom(module=module, names=names, level=level):
            above = package.split(".")[: len(package.split(".")) - level + 1] if level else []
            base = ".".join([*above, *([module] if module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in names)  # a submodule, if one has that name
        case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called), args=[ast.Constant(value=str(name)), *_]):
            if called in DYNAMIC:
                yield name
        case _:
            return


def _with_parents(name: str) -> Iterator[str]:
    parts = name.split(".")
    yield from (".".join(parts[:length]) for length in range(1, len(parts) + 1))


def _conftests(name: str) -> Iterator[str]:
    """Yield the conftest modules that pytest loads for a test."""
    parts = name.split(".")[:-1]
    yield from (".".join([*parts[:length], "conftest"]) for length in range(1, len(parts) + 1))
