"""No process of the project loads both TensorFlow and PyTorch."""

from pathlib import Path

import pytest

from tests.import_graph import ImportGraph

ROOT = Path(__file__).parents[1]
TENSORFLOW = {"tensorflow", "tensorflow_serving", "keras"}
PYTORCH = {"torch", "transformers", "triton"}


def reaching_both(graph: ImportGraph) -> dict[str, tuple[list[str], list[str]]]:
    """Return the modules that import both, with their import paths."""
    ways = {name: (graph.path(name, TENSORFLOW), graph.path(name, PYTORCH)) for name in graph.paths}
    return {name: found for name, found in ways.items() if all(found)}


@pytest.fixture(scope="module")
def graph() -> ImportGraph:
    return ImportGraph(ROOT)


def test_no_module_reaches_both(graph: ImportGraph) -> None:
    assert reaching_both(graph) == {}


def test_pytest_reaches_tensorflow_and_not_pytorch(graph: ImportGraph) -> None:
    collected = [name for name, path in graph.paths.items() if path.name.startswith(("test_", "conftest"))]
    reached = {name.partition(".")[0] for name in graph.reached(*collected)}
    assert "tensorflow" in reached
    assert not reached & PYTORCH


@pytest.mark.parametrize(
    ("module", "library"),
    [
        ("export.__main__", "tensorflow"),
        ("export.verify", "tensorflow"),
        ("deploy.embedded.__main__", "tensorflow"),
        ("tests.conftest", "tensorflow"),
        ("export.finetune.__main__", "tensorflow"),
        ("export.finetune.trainer.__main__", "torch"),
        ("export.reference.__main__", "torch"),
        ("models.demo.train", "transformers"),
        ("models.demo.evaluate", "torch"),
        ("loadtest.rivals.flask_onnx", "transformers"),
        ("tests.export.make_golden", "torch"),
    ],
)
def test_the_graph_has_direct_and_indirect_imports(graph: ImportGraph, module: str, library: str) -> None:
    assert graph.path(module, {library})


@pytest.mark.parametrize(
    ("first", "second", "third"),
    [
        ("import export.b", "import models.c", "import torch"),
        ("from export import b", "from models import c", "from torch import nn"),
        ("from . import b", "from models.c import answer", "import torch.nn.functional as f"),
        ("from .b import answer", "from models.c import *", "from transformers import BertForMaskedLM"),
        ("def f():\n    import export.b", "if True:\n    import models.c", "def f():\n    import triton"),
        ("import_module('export.b')", "importlib.import_module('models.c')", "pytest.importorskip('torch')"),
    ],
)
def test_a_module_that_reaches_both_in_two_hops_is_found(tmp_path: Path, first: str, second: str, third: str) -> None:
    for name, source in {
        "export/a.py": f"{first}\ndef build():\n    import tensorflow as tf\n",
        "export/b.py": second,
        "models/c.py": third,
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(source)
    [(found, (to_tensorflow, to_pytorch))] = reaching_both(ImportGraph(tmp_path)).items()
    assert found == "export.a"
    assert to_tensorflow == ["export.a", "tensorflow"]
    assert to_pytorch[:3] == ["export.a", "export.b", "models.c"]


def test_parent_packages_count_as_imports(tmp_path: Path) -> None:
    for name, source in {
        "export/__init__.py": "import keras",
        "export/deep/__init__.py": "",
        "export/deep/leaf.py": "import torch",
        "tests/test_leaf.py": "import torch",
        "tests/conftest.py": "from export.deep import nothing",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(source)
    assert set(reaching_both(ImportGraph(tmp_path))) == {"export.deep.leaf", "tests.test_leaf"}
