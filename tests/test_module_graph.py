"""Folders of each package import each other without cycles."""

import pytest

from tests.import_graph import ImportGraph
from tests.module_graph import PACKAGES, ROOT, cycles, imports


@pytest.fixture(scope="module")
def graph() -> ImportGraph:
    return ImportGraph(ROOT)


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_between_folders_are_acyclic(graph: ImportGraph, package: str) -> None:
    between = imports(graph, package)
    assert between
    assert list(cycles(between)) == []


def test_a_cycle_is_found() -> None:
    assert list(cycles({("a", "b"): 1, ("b", "c"): 2, ("c", "a"): 1, ("c", "d"): 1})) == [["a", "b", "c"]]
