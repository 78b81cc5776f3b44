"""Results are plain values."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from bert_mlm_client import (
    Explanation,
    Features,
    Filling,
    ModelStatus,
    Prediction,
    Similarity,
    TokenWeight,
    VersionStatus,
    ambiguity,
)

PREDICTION = Prediction(0.5, 1, "都", "首都")
VECTOR = np.zeros(2, np.float32)


def predictions(*scores: float) -> list[Prediction]:
    return [Prediction(score, number, str(number), "") for number, score in enumerate(scores)]


@pytest.mark.parametrize(
    "result",
    [
        PREDICTION,
        Filling(0.5, -0.7, (1,), ("都",), "首都"),
        Similarity(0.5, "cosine", 0.5),
        Features("首都", VECTOR, VECTOR, None),
        TokenWeight("首", 0.5, (0, 1)),
        Explanation("首[MASK]", "occlusion", PREDICTION, ()),
        VersionStatus(1, "AVAILABLE", "OK", ""),
        ModelStatus("bert_mlm", ()),
    ],
)
def test_results_cannot_be_changed_or_extended(result: Any) -> None:
    [name, *_] = [one.name for one in dataclasses.fields(result)]
    with pytest.raises(AttributeError):
        setattr(result, name, None)
    assert not hasattr(result, "__dict__")


def test_the_words_of_a_filling_are_one_text() -> None:
    assert Filling(0.5, -0.7, (1, 2), ("北", "京"), "").token_str == "北 京"


def test_ready_versions_are_those_available() -> None:
    versions = tuple(VersionStatus(n, state, "OK", "") for n, state in enumerate(("LOADING", "AVAILABLE", "END")))
    assert ModelStatus("bert_mlm", versions).available == (versions[1],)


def test_two_candidates_within_five_percentage_points_are_ambiguous() -> None:
    close = predictions(0.41, 0.375, 0.2)
    assert ambiguity(close) == (close[0], close[1])
    assert ambiguity(predictions(0.41, 0.3)) is None


def test_the_order_of_candidates_does_not_matter() -> None:
    scored = predictions(0.1, 0.42, 0.4)
    assert ambiguity(scored) == (scored[1], scored[2])


def test_how_close_is_ambiguous_can_be_chosen_and_is_included() -> None:
    assert ambiguity(predictions(0.5, 0.25), within=0.25)
    assert ambiguity(predictions(0.5, 0.25), within=0.2) is None
    assert ambiguity(predictions(0.55, 0.5))
    assert ambiguity(predictions(float(np.float32(0.55)), 0.5))


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_candidates_are_not_ambiguous(count: int) -> None:
    assert ambiguity(predictions(0.5)[:count]) is None


def test_fillings_can_be_ambiguous_too() -> None:
    fillings = [Filling(score, -1.0, (1,), ("都",), "") for score in (0.3, 0.29)]
    assert ambiguity(fillings) == tuple(fillings)
