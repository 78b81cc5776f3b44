"""The checkpoint that ships, exported once for all tests of the folder."""

from pathlib import Path

import pytest

from export import find_checkpoint

DEMO = Path(__file__).parents[3] / "models" / "demo"


@pytest.fixture(scope="session")
def demo_version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from export.savedmodel import export_model

    return export_model(find_checkpoint(str(DEMO)), tmp_path_factory.mktemp("models"), 1)
