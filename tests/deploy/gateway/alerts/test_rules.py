"""Test begin and end of alerts with a fake clock."""

from deploy.gateway.alerts.rules import ErrorsInARow, Lasting, Losses, MeanAbove, Missing, SlidingWindow


def test_five_errors_in_a_row_fire_and_four_do_not() -> None:
    rule = ErrorsInARow(5)
    for _ in range(4):
        rule.fail()
    assert not rule.read().firing
    rule.fail()
    assert (rule.read().firing, rule.read().value, rule.read().threshold) == (True, 5, 5)


def test_an_answer_ends_the_row() -> None:
    rule = ErrorsInARow(5)
    for _ in range(4):
        rule.fail()
    rule.succeed()
    for _ in range(4):
        rule.fail()
    assert (rule.read().firing, rule.read().value) == (False, 4)


def test_a_window_forgets_what_is_older_than_its_length() -> None:
    window = SlidingWindow(60)
    window.add(0.5, 10)
    window.add(59.9, 20)
    assert window.sums(59.9) == (2, 30)
    assert window.sums(60.0) == (1, 20)
    assert window.sums(119.9) == (0, 0)


def test_a_window_grows_with_its_length_and_not_with_what_it_is_told() -> None:
    window = SlidingWindow(10)
    for number in range(100_000):
        window.add(number / 1000, 1)
    assert len(window._buckets) == 10
    assert window.sums(99.999) == (10_000, 10_000)


def test_after_a_gap_only_the_latest_values_count() -> None:
    window = SlidingWindow(3)
    for second in (0, 1, 2, 100):
        window.add(second, second)
    assert window.sums(100) == (1, 100)


def mean_above(values: int, value: float) -> MeanAbove:
    rule = MeanAbove(500, window_s=60, at_least=20)
    for _ in range(values):
        rule.add(0, value)
    return rule


def test_a_mean_at_the_limit_is_well_and_one_above_is_not() -> None:
    assert not mean_above(20, 500).read(0).firing
    reading = mean_above(20, 500.1).read(0)
    assert reading.firing
    assert reading.threshold == 500


def test_too_few_values_begin_nothing() -> None:
    assert not mean_above(19, 9000).read(0).firing
    assert mean_above(20, 9000).read(0).firing


def test_a_mean_that_fell_ends_the_alert_after_a_sixth_of_the_window() -> None:
    rule = mean_above(20, 600)
    assert rule.read(1).firing
    for _ in range(80):
        rule.add(2, 100)
    assert [rule.read(now).firing for now in (2, 10.9, 11)] == [True, True, False]
    assert rule.read(11).value == 200


def test_a_mean_about_the_limit_does_not_flap() -> None:
    rule = mean_above(20, 501)
    assert rule.read(0).firing
    means = []
    for second in range(1, 40):
        rule.add(second, 0 if second % 2 else 1000)
        reading = rule.read(second)
        assert reading.firing
        means.append(reading.value or 0)
    assert min(means) < 500 < max(means)


def test_few_values_do_not_end_what_goes_on() -> None:
    rule = mean_above(20, 600)
    assert rule.read(0).firing
    for second in range(0, 600, 30):
        rule.add(second, 600)
        assert rule.read(second).firing


def test_an_empty_window_ends_the_alert_and_has_no_mean() -> None:
    rule = mean_above(20, 600)
    assert rule.read(59).firing
    assert rule.read(60).firing
    reading = rule.read(69)
    assert (reading.firing, reading.value) == (False, None)


def test_a_problem_must_last_and_a_new_one_starts_from_zero() -> None:
    rule = Lasting(30)
    assert not rule.read(0, is_trouble=True).firing
    assert not rule.read(29.9, is_trouble=True).firing
    assert rule.read(30, is_trouble=True).firing
    assert not rule.read(31, is_trouble=False).firing
    assert not rule.read(32, is_trouble=True).firing
    assert not rule.read(61, is_trouble=True).firing
    assert rule.read(62, is_trouble=True).firing


def test_losses_fire_while_they_happen_and_some_time_after() -> None:
    rule = Losses(60)
    assert not rule.read(0, lost=0, is_blocked=False).firing
    assert rule.read(1, lost=3, is_blocked=False).firing
    assert rule.read(60, lost=3, is_blocked=False).firing
    assert not rule.read(61, lost=3, is_blocked=False).firing
    assert rule.read(62, lost=3, is_blocked=True).firing
    assert rule.read(200, lost=4, is_blocked=False).firing
    assert rule.read(201, lost=4, is_blocked=False).value == 4


def test_what_was_never_there_is_not_missing() -> None:
    rule = Missing()
    assert not rule.read(is_there=False).firing
    assert not rule.read(is_there=True).firing
    assert rule.read(is_there=False).firing
    assert not rule.read(is_there=True).firing
