import argparse

import pytest

from loadtest.fleet.plan import Plan, add_options, parse_names


def parse(*arguments: str) -> Plan:
    parser = argparse.ArgumentParser()
    add_options(parser)
    return Plan.parse(parser.parse_args(arguments))


def test_the_options_have_the_plans_defaults() -> None:
    assert parse() == Plan()


def test_options_set_the_plan() -> None:
    plan = parse("--servers", "2", "--rate", "12.5", "--timeout-s", "1", "--budget", "4")
    assert (plan.servers, plan.rate, plan.timeout_s, plan.budget) == (2, 12.5, 1.0, 4)


@pytest.mark.parametrize(
    ("flag", "value", "message"),
    [
        ("--servers", "1", "--servers is 1; give 2 to 9"),
        ("--servers", "10", "--servers is 10; give 2 to 9"),
        ("--rate", "0", "--rate is 0; give more than 0"),
        ("--fault-s", "-1", "--fault-s is -1; give more than 0"),
        ("--budget", "-1", "--budget is -1; give 0 or more"),
    ],
)
def test_a_value_out_of_range_is_rejected(flag: str, value: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        parse(flag, value)


def test_scenarios_are_a_list_in_the_given_order() -> None:
    assert parse_names("roll, cut", ("cut", "slow", "roll")) == ["roll", "cut"]


@pytest.mark.parametrize(
    ("given", "message"), [("cut,burn", "no scenario 'burn'; choose from cut, roll"), (",", "no scenario given; .*")]
)
def test_an_unknown_or_missing_scenario_is_rejected(given: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        parse_names(given, ("cut", "roll"))
