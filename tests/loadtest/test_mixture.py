from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from bert_mlm_client.tokens import Tokenizer
from bert_mlm_client.transport import Request
from bert_mlm_client.vocabulary import TokenizerConfig, Vocabulary

from loadtest.mixture import difference, mixture
from loadtest.processes import ROOT

REQUEST = Request("fill_mask", {"mask_positions": np.array([[3]], np.int32)}, ("token_ids", "scores"))


def answer() -> dict[str, Any]:
    return {"token_ids": np.array([[[7, 5, 9, 2]]], np.int32), "scores": np.array([[[0.6, 0.2, 0.1999, 0.01]]])}


def test_the_mixture_covers_signatures_batches_and_mask_counts() -> None:
    vocabulary = Vocabulary.read(ROOT / "models" / "demo" / "vocab.txt")
    questions = mixture(Tokenizer(vocabulary, TokenizerConfig(max_length=128)))
    titles = {question.title for question in questions}
    assert {
        f"{name} {rows} x {masks}" for name in ("fill_mask", "score_tokens") for rows in (1, 2, 5) for masks in (1, 2)
    } <= titles
    assert {"features 1", "features 5"} <= titles
    for question in questions:
        inputs = question.request.inputs
        assert inputs["input_ids"].shape[0] == inputs["lengths"].shape[0]


def test_equal_and_rounded_answers_do_not_differ() -> None:
    rounded = answer()
    rounded["scores"] = rounded["scores"] + 5e-5
    assert difference(REQUEST, answer(), answer(), 1e-4) is None
    assert difference(REQUEST, rounded, answer(), 1e-4) is None


def test_padding_masks_are_ignored() -> None:
    batched = {name: np.concatenate([array, array[:, :, ::-1]], axis=1) for name, array in answer().items()}
    assert difference(REQUEST, batched, answer(), 1e-4) is None


def test_tokens_of_equal_score_may_swap() -> None:
    swapped = answer()
    swapped["token_ids"][0, 0, [1, 2]] = 9, 5
    assert difference(REQUEST, swapped, answer(), 1e-4) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda now: now["token_ids"].__setitem__((0, 0, 0), 5), "order"),
        (lambda now: now["scores"].__setitem__((0, 0, 0), 0.61), "scores differs by up to 0.01"),
        (lambda now: now.update(scores=now["scores"][:, :, :2]), "shape"),
    ],
)
def test_differences_are_named(change: Callable[[dict[str, Any]], None], words: str) -> None:
    now = answer()
    change(now)
    found = difference(REQUEST, now, answer(), 1e-4)
    assert found is not None
    assert words in found
