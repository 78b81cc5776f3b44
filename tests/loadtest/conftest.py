"""A real embedded server on the demonstration checkpoint, for all tests of the folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from export import find_checkpoint
from loadtest.processes import ROOT
from loadtest.soak import Server, started


@pytest.fixture(scope="session")
def demo_servable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from export.savedmodel import export_model

    version = export_model(
        find_checkpoint(str(ROOT / "models" / "demo")), tmp_path_factory.mktemp("demo") / "bert_mlm", 1
    )
    return version.parent


@pytest.fixture(scope="session")
def demo_server(demo_servable: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with started(demo_servable, tmp_path_factory.mktemp("served"), ()) as server:
        yield server
