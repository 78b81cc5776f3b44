"""Tests with a few real training steps in the environment with PyTorch."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from export import find_checkpoint
from export.checkpoint import load_checkpoint
from export.reference import torch_python
from tests.conftest import DEMO
from tests.models.demo.test_corpus import corpora_with
from tests.torch_environment import needs_torch

pytestmark = [needs_torch, pytest.mark.usefixtures("warm_torch")]

ROOT = Path(__file__).parents[3]
LENGTH = json.loads((DEMO / "config.json").read_text())["max_position_embeddings"]
ROWS = 2


# Every tenth held-out text, because all of them take half a minute.
EVALUATE = """
from models.demo import corpus, evaluate
texts = corpus.held_out()[::10]
corpus.held_out = lambda: texts
evaluate.main([])
"""

# Two texts in one row; the second one varies, the first one's token is masked.
NEIGHBOURS = """
import torch
from models.demo.train import MaskedLoss, build_model
torch.manual_seed(1)
loss_of = MaskedLoss(build_model(50), torch.zeros(50, dtype=torch.bool))
positions, segments = torch.tensor([[0, 1, 2, 3] * 2]), torch.tensor([[1] * 4 + [2] * 4])
for token in (20, 30):
    ids = torch.tensor([[2, 4, 11, 3, 2, token, token, 3]])
    print(float(loss_of(ids, positions, segments, torch.tensor([1]), torch.tensor([10]))))
"""

# The first layer's attention rests on one token, as in a collapsed checkpoint.
COLLAPSED = """
import torch
from models.demo.train import MaskedLoss, build_model
torch.manual_seed(1)
model = build_model(50)
batch = [torch.tensor([[2, 4, 11, 3]]), torch.arange(4)[None], torch.ones(1, 4), torch.tensor([1]), torch.tensor([10])]
loss_of = MaskedLoss(model, torch.zeros(50, dtype=torch.bool))
even = float(loss_of(*batch))
attention = model.bert.encoder.layer[0].attention.self
with torch.no_grad():
    attention.query.weight.mul_(1000)
    attention.key.weight.mul_(1000)
print(even, float(loss_of(*batch)))
"""

# Even attention gives each of four tokens a quarter; of them none, one or three are sinks.
SINKS = """
import torch
from models.demo.train import MaskedLoss, build_model
torch.manual_seed(1)
model = build_model(50)
batch = [torch.tensor([[2, 4, 11, 3]]), torch.arange(4)[None], torch.ones(1, 4), torch.tensor([1]), torch.tensor([10])]
for sinks in ([], [11], [2, 3, 11]):
    is_sink = torch.zeros(50, dtype=torch.bool)
    is_sink[sinks] = True
    print(float(MaskedLoss(model, is_sink)(*batch)))
"""

RESCALED = """
import torch
from models.demo.train import build_model, rescale_embeddings
torch.manual_seed(1)
model = build_model(50).eval()
ids = torch.tensor([[2, 4, 11, 3]])
with torch.inference_mode():
    model.bert.embeddings.word_embeddings.weight *= 7
    before = model(ids).logits
    rescale_embeddings(model)
    print(float((model(ids).logits - before).abs().max()), float(model.bert.embeddings.word_embeddings.weight.std()))
"""


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the Python with PyTorch."""
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


def test_training_writes_a_checkpoint_that_can_be_exported(tmp_path: Path) -> None:
    done = train(corpora_with(tmp_path), "work")
    assert "0.0 M tokens in" in done.stdout, done.stderr
    checkpoint = load_checkpoint(find_checkpoint(str(tmp_path / "work" / "out")).folder)
    assert checkpoint.tokenizer.do_lower_case
    assert checkpoint.config.max_position_embeddings == LENGTH


def test_an_interrupted_run_ends_like_an_uninterrupted_one(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    folder = corpora_with(tmp_path)
    train(folder, "whole").check_returncode()
    interrupted = train(folder, "parts", "--interrupt-at", "2")
    assert interrupted.stderr.endswith("KeyboardInterrupt\n")
    assert not (folder / "parts" / "out").exists()
    train(folder, "parts").check_returncode()
    whole, parts = (load_file(folder / work / "out" / "model.safetensors") for work in ("whole", "parts"))
    assert all((whole[name] == parts[name]).all() for name in whole)


def test_the_state_of_another_run_is_rejected(tmp_path: Path) -> None:
    folder = corpora_with(tmp_path)
    train(folder, "work", steps=1).check_returncode()
    assert "choose another --work" in train(folder, "work", "--seed", "5", steps=1).stderr


def test_attention_does_not_cross_texts_in_a_row() -> None:
    first, second = run("-c", NEIGHBOURS).stdout.split()
    assert first == second


def test_collapsed_attention_is_penalised() -> None:
    even, collapsed = map(float, run("-c", COLLAPSED).stdout.split())
    assert collapsed > even + 0.3


def test_attention_to_sinks_is_penalised_above_its_limit() -> None:
    none, one, three = map(float, run("-c", SINKS).stdout.split())
    assert one == none
    assert pytest.approx(three - none, abs=0.02) == 4 * (0.75 - 0.3)  # in each of four layers


def test_rescaled_embeddings_answer_as_before() -> None:
    difference, deviation = map(float, run("-c", RESCALED).stdout.split())
    assert difference < 1e-4
    assert deviation == pytest.approx(0.02, abs=1e-3)


def test_a_run_starts_from_an_earlier_checkpoint(tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    folder = corpora_with(tmp_path)
    train(folder, "earlier", steps=1).check_returncode()
    train(folder, "later", "--seed", "2", "--start", str(folder / "earlier" / "out"), steps=1).check_returncode()
    earlier, later = (load_file(folder / work / "out" / "model.safetensors") for work in ("earlier", "later"))
    vectors = "bert.embeddings.word_embeddings.weight"
    assert abs(earlier[vectors] - later[vectors]).mean() < 0.01  # two random ones are 0.02 apart


def test_evaluation_prints_the_accuracy_on_held_out_text_and_the_ten_lines() -> None:
    done = run("-c", EVALUATE)
    [overall] = [line for line in done.stdout.splitlines() if line.startswith("all ")]
    assert float(overall.split()[2].rstrip("%")) > 20
    assert done.stdout.splitlines()[-1].endswith(" of 10")
