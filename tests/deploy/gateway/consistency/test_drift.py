import random

import pytest

from deploy.gateway.consistency.drift import measure, total_variation


def test_equal_answers_have_not_moved_and_those_with_nothing_in_common_have_moved_whole() -> None:
    assert total_variation({1: 0.9, 2: 0.1}, {1: 0.9, 2: 0.1}) == 0
    assert total_variation({1: 0.9, 2: 0.1}, {3: 0.5, 4: 0.5}) == pytest.approx(1)


@pytest.mark.parametrize(
    ("baseline", "now", "distance"),
    [
        ({1: 0.7, 2: 0.3}, {1: 0.5, 2: 0.5}, 0.2),  # 0.2 from one token to the other
        ({1: 0.6, 2: 0.1}, {1: 0.6, 2: 0.1, 3: 0.3}, 0.0),  # what the others share among them is not looked at
        ({1: 0.6, 2: 0.1}, {1: 0.4, 2: 0.1, 3: 0.5}, 0.2),  # from a token to one of the others
        ({1: 0.6, 2: 0.2}, {2: 0.5, 3: 0.1}, 0.6),  # 0.3 to the second token and 0.3 to the others, of 0.6 and 0.2
    ],
)
def test_the_distance_is_the_share_of_probability_that_moved(
    baseline: dict[int, float], now: dict[int, float], distance: float
) -> None:
    assert total_variation(baseline, now) == pytest.approx(distance)


def test_it_is_a_metric_of_distributions_over_the_same_tokens() -> None:
    draw = random.Random(0)

    def distribution() -> dict[int, float]:
        parts = [draw.random() for _ in range(6)]
        return {token: part / sum(parts) for token, part in enumerate(parts[:5])}

    for _ in range(200):
        one, two, three = distribution(), distribution(), distribution()
        assert total_variation(one, two) == pytest.approx(total_variation(two, one))
        assert 0 <= total_variation(one, two) <= 1
        assert total_variation(one, three) <= total_variation(one, two) + total_variation(two, three) + 1e-12


def test_masks_are_averaged_and_the_one_that_moved_most_is_named() -> None:
    baseline = [{1: 1.0}, {1: 1.0}, {1: 1.0}, {1: 1.0}]
    drift = measure(baseline, [{1: 1.0}, {1: 0.9}, {1: 0.5}, {1: 1.0}])
    assert drift.mean == pytest.approx(0.15)
    assert (drift.largest, drift.answer) == (0.5, 2)


def test_answers_for_other_masks_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="shorter"):
        measure([{1: 1.0}, {1: 1.0}], [{1: 1.0}])
