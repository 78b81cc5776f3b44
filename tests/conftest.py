"""What all tests share: the checkpoint that ships, exported once a run."""

from pathlib import Path

import pytest

from export import find_checkpoint

DEMO = Path(__file__).parents[1] / "models" / "demo"


@pytest.fixture(scope="session")
def demo_version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 1 of a servable ``bert_mlm``, for all tests: one that changes it takes a copy."""
    from export.savedmodel import export_model

    return export_model(find_checkpoint(str(DEMO)), tmp_path_factory.mktemp("demo") / "bert_mlm", 1)
