"""The Makefile's recipes are valid shell, also on a machine where nothing is installed yet."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
VERBS = re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The files that the Makefile's targets depend on, without any environment."""
    for name in ("Makefile", "constraints.txt", "pyproject.toml", "client/pyproject.toml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("verb", VERBS)
def test_a_fresh_checkout_has_valid_recipes(verb: str, checkout: Path) -> None:
    recipes = subprocess.run(["make", "--dry-run", verb], cwd=checkout, capture_output=True, text=True, check=True)
    checked = subprocess.run(["sh", "-n"], input=recipes.stdout, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_an_environment_with_pytorch_is_removed(checkout: Path) -> None:
    (checkout / ".venv/lib/python3.11/site-packages/torch").mkdir(parents=True)
    recipes = subprocess.run(["make", "--dry-run", "run"], cwd=checkout, capture_output=True, text=True, check=True)
    assert "contains PyTorch" in recipes.stdout
    assert "rm -rf .venv\n" in recipes.stdout


def test_a_classifier_needs_pytorch_and_the_model_alone_does_not(checkout: Path) -> None:
    for options, wanted in (([], False), (["CLASSIFIER=genre"], True)):
        make = ["make", "--dry-run", "run", *options]
        recipes = subprocess.run(make, cwd=checkout, capture_output=True, text=True, check=True).stdout
        assert ("--group torch" in recipes) is wanted
        assert ('--classifier "genre"' in recipes) is wanted
