"""Test what the genre set gives away."""

from collections.abc import Iterator

import pytest
from threadpoolctl import threadpool_limits

from models.genre import baselines, dataset


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    with threadpool_limits(1):
        yield


def accuracy(name: str) -> float:
    """Return a baseline's accuracy on dev."""
    model = baselines.MODELS[name]().fit(*dataset.read(dataset.TRAIN))
    return float(model.score(*dataset.read(dataset.DEV)))


def test_length_and_punctuation_do_not_give_the_genre_away() -> None:
    assert accuracy("length and punctuation") <= 0.45


def test_characters_do() -> None:
    assert accuracy("characters, 1 to 3, linear") >= 0.85


def test_layout_is_counted() -> None:
    text = "用apt安装，要2分钟。好。"
    assert baselines.length(text) == [14]
    assert baselines.punctuation(text) == [14, 1, 2]
    assert baselines.layout(text) == [14, 1, 2, 3, 1, 3, 1, 6, 4]
