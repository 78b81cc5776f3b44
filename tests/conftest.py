"""Fixtures with the checkpoints, each exported once per run, and with PyTorch."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.exported import DEMO, TINY, TINY_CLASSIFIER, Export, Precision, exported
from tests.support.served import Served, served
from tests.torch_environment import warm_torch_python

__all__ = ["DEMO", "TINY", "TINY_CLASSIFIER"]

settings.register_profile("any machine", deadline=None)  # a time limit would fail on a busy one
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def demo_version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 1 of the shipped checkpoint."""
    return exported(DEMO, tmp_path_factory)


@pytest.fixture(scope="session")
def tiny_version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 1 of the tests' small checkpoint."""
    return exported(TINY, tmp_path_factory)


@pytest.fixture(scope="session")
def tiny_version_in(tmp_path_factory: pytest.TempPathFactory) -> Export:
    """Return version 1 of the tests' small checkpoint in a precision."""

    def export(precision: Precision) -> Path:
        return exported(TINY, tmp_path_factory, precision)

    return export


@pytest.fixture(scope="session")
def tiny_classifier_version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 1 of the tests' small classifier, of a servable ``news``."""
    return exported(TINY_CLASSIFIER, tmp_path_factory, name="news")


@pytest.fixture(scope="session")
def tiny_models(
    tiny_version: Path, tiny_classifier_version: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """A server of the small masked language model, ``bert_mlm``, and the small classifier, ``news``."""
    models = {"bert_mlm": tiny_version.parent, "news": tiny_classifier_version.parent}
    with served(models, tmp_path_factory.mktemp("served"), "--engine=onnx") as server:
        yield server


@pytest.fixture(scope="session")
def warm_torch_executable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A Python that starts with PyTorch and transformers imported."""
    with warm_torch_python(tmp_path_factory.mktemp("torch")) as python:
        yield python


@pytest.fixture(scope="module")
def warm_torch(warm_torch_executable: Path) -> Iterator[None]:
    """Run what a module's tests start with PyTorch in forks of one process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCH_PYTHON", str(warm_torch_executable))
        yield


def pytest_collection_finish() -> None:
    """Exclude modules and collected tests from garbage collection, which takes most of its time for them."""
    gc.freeze()


def pytest_sessionfinish() -> None:
    """Let the interpreter collect them at its exit; some libraries report objects that are left."""
    gc.unfreeze()
