"""Test the reference process and its end."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from export import ReferenceModelError
from export.reference import ReferenceModel
from tests.conftest import TINY
from tests.torch_environment import needs_torch

ROOT = Path(__file__).parents[3]
TEXT = "春眠不觉晓，处处闻啼[MASK]。"


@pytest.fixture(scope="module")
def reference() -> Iterator[ReferenceModel]:
    with ReferenceModel(TINY) as model:
        yield model


@pytest.fixture
def _warm_torch(warm_torch_executable: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fork the reference process, where its start and end do not matter."""
    monkeypatch.setenv("TORCH_PYTHON", str(warm_torch_executable))


@needs_torch
def test_it_gives_the_golden_answers(reference: ReferenceModel, golden: list[dict[str, Any]]) -> None:
    for expected in golden:
        ids = reference.tokenize(expected["text"])
        assert ids.tolist() == expected["input_ids"]
        masks = np.flatnonzero(ids == reference.mask_id)
        answer = reference.answer(ids)
        assert answer.log_probabilities[masks] == pytest.approx(np.array(expected["log_probabilities"]), abs=1e-5)
        assert answer.hidden[0] == pytest.approx(np.array(expected["cls"]), abs=1e-5)
        assert answer.attention[masks] == pytest.approx(np.array(expected["attention"]), abs=1e-5)


@needs_torch
def test_a_long_text_is_truncated(reference: ReferenceModel) -> None:
    whole, cut = reference.tokenize(TEXT), reference.tokenize(TEXT, max_length=5)
    assert cut.tolist() == [*whole[:4].tolist(), whole[-1]]


@needs_torch
def test_filling_is_the_pipelines(reference: ReferenceModel) -> None:
    ids = reference.tokenize(TEXT)
    [mask] = np.flatnonzero(ids == reference.mask_id)
    scores = np.exp(reference.answer(ids).log_probabilities[mask])
    answers = reference.fill(TEXT, top_k=3)
    assert [one["token"] for one in answers] == np.argsort(-scores)[:3].tolist()
    assert [one["score"] for one in answers] == pytest.approx(np.sort(scores)[::-1][:3], rel=1e-4)
    assert {one["token_str"] for one in reference.fill(TEXT, targets=["鸟", "花"])} == {"鸟", "花"}


@needs_torch
def test_a_call_that_fails_raises_one_line_and_the_next_call_is_answered(reference: ReferenceModel) -> None:
    with pytest.raises(ReferenceModelError, match="IndexError") as raised:
        reference.answer(np.array([10**6], np.int32))
    assert "\n" not in str(raised.value)
    assert len(reference.tokenize("[MASK]")) == 3


@needs_torch
@pytest.mark.usefixtures("_warm_torch")
def test_lower_casing_and_rounding_follow_the_arguments(reference: ReferenceModel) -> None:
    ids = reference.tokenize(TEXT)
    with ReferenceModel(TINY, precision="bf16", lower_case=True) as other:
        assert (
            other.tokenize("ABC").tolist() == reference.tokenize("abc").tolist() != reference.tokenize("ABC").tolist()
        )
        change = np.abs(other.answer(ids).log_probabilities - reference.answer(ids).log_probabilities).max()
    assert 1e-4 < change < 1


@needs_torch
@pytest.mark.usefixtures("_warm_torch")
def test_a_folder_without_a_checkpoint_is_an_error_of_one_line(tmp_path: Path) -> None:
    with pytest.raises(ReferenceModelError, match=r"in transformers: .*no file named") as raised:
        ReferenceModel(tmp_path)
    assert "\n" not in str(raised.value)


@needs_torch
@pytest.mark.usefixtures("_warm_torch")
def test_checkpoint_without_a_head_is_rejected(tiny_copy: Path) -> None:
    from safetensors.numpy import load_file, save_file

    tensors = load_file(tiny_copy / "model.safetensors")
    del tensors["cls.predictions.transform.dense.weight"]
    save_file(tensors, tiny_copy / "model.safetensors")
    with pytest.raises(ReferenceModelError, match=r"finds no cls\.predictions\.transform\.dense\.weight"):
        ReferenceModel(tiny_copy)


@needs_torch
def test_the_process_ends_with_the_block() -> None:
    with ReferenceModel(TINY) as model:
        process = psutil.Process(model._process.pid)
        assert process.is_running()
    assert not process.is_running()


@needs_torch
def test_the_process_ends_when_its_caller_is_killed() -> None:
    code = f"""
        import os, signal
        from pathlib import Path
        from export.reference import ReferenceModel
        model = ReferenceModel(Path({str(TINY)!r}))
        print("ready", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    # Standard error is the orphan's too, so run() returns when both have ended; else it raises TimeoutExpired.
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "ready\n")
    assert done.stderr == ""


@needs_torch
def test_a_process_that_dies_is_an_error_that_tells_its_status() -> None:
    with ReferenceModel(TINY) as model:
        psutil.Process(model._process.pid).kill()
        with pytest.raises(ReferenceModelError, match="ended with status -9"):
            model.tokenize("[MASK]")


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo 'no such library' >&2; exit 3", "ended with status 3; standard error says why"),
        ("printf '\\001'; exit 0", "ended with status 0"),
    ],
)
def test_an_interpreter_that_does_not_work_is_an_error_and_its_own_lines_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], script: str, message: str
) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    monkeypatch.setenv("TORCH_PYTHON", str(python))
    with pytest.raises(ReferenceModelError, match=message):
        ReferenceModel(TINY)
    assert capfd.readouterr().err == ("no such library\n" if "echo" in script else "")


def test_a_python_without_pytorch_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_PYTHON", sys.executable)
    with pytest.raises(ReferenceModelError, match="cannot run the reference model: No module named"):
        ReferenceModel(TINY)


@pytest.mark.parametrize("name", ["missing", "not-executable"])
def test_without_pytorch_the_error_names_the_verb_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "not-executable").touch()
    monkeypatch.setenv("TORCH_PYTHON", str(tmp_path / name))
    with pytest.raises(ReferenceModelError, match="`make torch` installs it"):
        ReferenceModel(TINY)
