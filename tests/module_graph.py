"""Count modules per folder and imports between folders.

    python -m tests.module_graph

A node is a folder, or a module beside the folders. An import counts once per importing module.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.import_graph import ImportGraph

ROOT = Path(__file__).parents[1]
PACKAGES = (
    "bert_mlm_client",
    "export",
    "deploy.elasticsearch",
    "deploy.embedded",
    "deploy.gateway",
    "deploy.kibana",
    "deploy.local",
    "loadtest",
)

Imports = Mapping[tuple[str, str], int]


def node(module: str, package: str) -> str:
    """Return a module's folder or module below its package."""
    return ".".join(module.split(".")[: package.count(".") + 2])


def modules(graph: ImportGraph, package: str) -> Counter[str]:
    """Return the number of modules in each node of a package."""
    return Counter(node(name, package) for name in graph.paths if name.startswith(f"{package}."))


def imports(graph: ImportGraph, package: str) -> Imports:
    """Return the number of imports between the nodes of a package."""
    found: Counter[tuple[str, str]] = Counter()
    for name in graph.paths:
        if not name.startswith(f"{package}."):
            continue
        here = node(name, package)
        there = {node(other, package) for other in graph.direct(name) if other.startswith(f"{package}.")}
        found.update((here, other) for other in there if other != here)
    return found


def cycles(imports: Imports) -> Iterator[list[str]]:
    """Yield the cycles of nodes that import each other."""
    after: dict[str, set[str]] = {}
    for here, there in imports:
        after.setdefault(here, set()).add(there)
    reached = {start: _reached(start, after) for start in after}
    seen: set[str] = set()
    for start in sorted(after):
        group = sorted({start, *(other for other in reached[start] if start in reached.get(other, set()))})
        if len(group) > 1 and not seen & set(group):
            seen |= set(group)
            yield group


def _reached(start: str, after: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        for other in after.get(waiting.pop(), set()) - found:
            found.add(other)
            waiting.append(other)
    return found


def main() -> None:
    """Print the figures of each package."""
    graph = ImportGraph(ROOT)
    for package in PACKAGES:
        inside, between = modules(graph, package), imports(graph, package)
        print(
            f"{package}: {sum(inside.values())} modules in {len(inside)} nodes, {sum(between.values())} imports between"
        )
        for name, count in sorted(inside.items()):
            print(f"    {name.removeprefix(package + '.'):24}{count:4}")
        for group in cycles(between):
            print(f"    cycle: {', '.join(group)}")


if __name__ == "__main__":
    main()
