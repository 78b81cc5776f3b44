"""A few real training steps on a few lines, in the environment with PyTorch."""

import json
import os
import subprocess
from pathlib import Path

from export import find_checkpoint, load_checkpoint
from export.reference import torch_python
from tests.conftest import DEMO
from tests.models.demo.test_corpus import corpora_with
from tests.torch_environment import needs_torch

pytestmark = needs_torch

ROOT = Path(__file__).parents[3]
LENGTH = json.loads((DEMO / "config.json").read_text())["max_position_embeddings"]
ROWS = 2


# Every tenth of the held-out texts: all of them take half a minute.
EVALUATE = """
from models.demo import corpus, evaluate
texts = corpus.held_out()[::10]
corpus.held_out = lambda: texts
evaluate.main([])
"""


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the Python that has PyTorch."""
    return subprocess.run(
        [torch_python(), *map(str, arguments)],
        cwd=ROOT,
        # One thread: the threads' barriers would take minutes on a machine whose cores are busy.
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def train(folder: Path, work: str, *more: str, steps: int = 4) -> subprocess.CompletedProcess[str]:
    places = ("--corpora", folder, "--output", folder / work / "out", "--work", folder / work)
    size = ("--rows", ROWS, "--tokens", steps * ROWS * LENGTH)
    return run("-m", "tests.models.demo.train_briefly", *places, *size, *more)


def test_training_writes_a_checkpoint_that_the_export_takes(tmp_path: Path) -> None:
    done = train(corpora_with(tmp_path), "work")
    assert "0.0 M tokens in" in done.stdout, done.stderr
    checkpoint = load_checkpoint(find_checkpoint(str(tmp_path / "work" / "out")).folder)
    assert checkpoint.tokenizer.do_lower_case
    assert checkpoint.config.max_position_embeddings == LENGTH


def test_a_run_that_was_interrupted_ends_where_an_uninterrupted_one_does(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    folder = corpora_with(tmp_path)
    train(folder, "whole").check_returncode()
    interrupted = train(folder, "parts", "--interrupt-at", "2")
    assert interrupted.stderr.endswith("KeyboardInterrupt\n")
    assert not (folder / "parts" / "out").exists()
    train(folder, "parts").check_returncode()
    whole, parts = (load_file(folder / work / "out" / "model.safetensors") for work in ("whole", "parts"))
    assert all((whole[name] == parts[name]).all() for name in whole)


def test_a_state_of_another_run_is_refused(tmp_path: Path) -> None:
    folder = corpora_with(tmp_path)
    train(folder, "work", steps=1).check_returncode()
    assert "choose another --work" in train(folder, "work", "--seed", "5", steps=1).stderr


def test_evaluation_prints_the_accuracy_on_held_out_text_and_the_ten_lines() -> None:
    done = run("-c", EVALUATE)
    [overall] = [line for line in done.stdout.splitlines() if line.startswith("all ")]
    assert float(overall.split()[2].rstrip("%")) > 20
    assert done.stdout.splitlines()[-1].endswith(" of 10")
