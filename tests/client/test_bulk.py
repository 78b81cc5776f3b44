"""Bulk requests keep order, bound memory and isolate faulty items."""

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from bert_mlm_client import FillMask, InProcess, InputError, RequestError, SignatureNotFoundError, UnreachableError
from bert_mlm_client.bulk import MAX_LENGTH, MAX_ROWS, ask_all, group_by_length
from hypothesis import given
from hypothesis import strategies as st

from tests.client.exchanges.table_model import TableModel


def upper(texts: Sequence[str]) -> list[str]:
    return [text.upper() for text in texts]


@given(st.lists(st.text("ab", max_size=40), max_size=60), st.integers(1, 5), st.integers(1, 20))
def test_every_item_is_answered_once_and_in_order(texts: list[str], workers: int, window: int) -> None:
    answered = list(ask_all(texts, upper, length=len, workers=workers, window=window))
    assert answered == [(text, text.upper()) for text in texts]


@given(st.lists(st.integers(0, 700), max_size=300))
def test_groups_hold_rows_of_near_length_up_to_a_batch(lengths: list[int]) -> None:
    groups = group_by_length(lengths)
    places = [place for group in groups for place in group]
    assert sorted(places) == list(range(len(lengths)))
    assert [lengths[place] for place in places] == sorted(lengths, reverse=True)
    for group in groups:
        assert len(group) <= MAX_ROWS
        assert len(group) == 1 or len(group) * lengths[group[0]] <= MAX_LENGTH


def test_items_are_read_at_most_two_windows_ahead() -> None:
    read = 0

    def source() -> Iterator[str]:
        nonlocal read
        while True:
            read += 1
            yield "a"

    answers = ask_all(source(), upper, length=len, window=10)
    for number in range(1, 101):
        next(answers)
        assert read <= number + 20
    answers.close()


def test_groups_in_flight_equal_the_number_of_workers() -> None:
    together = threading.Barrier(3, timeout=30)

    def ask(texts: Sequence[str]) -> list[str]:
        together.wait()  # raises BrokenBarrierError with fewer than three
        return list(texts)

    texts = ["a" * MAX_LENGTH] * 9
    assert len(list(ask_all(texts, ask, length=len, workers=3))) == 9


@pytest.mark.parametrize("kind", [InputError, RequestError])
def test_only_the_faulty_item_gets_an_error(kind: type[InputError | RequestError]) -> None:
    def ask(texts: Sequence[str]) -> list[str]:
        if "bad" in texts:
            msg = "one of them is bad"
            raise kind(msg)
        return upper(texts)

    answers = dict(ask_all([f"t{number}" for number in range(50)] + ["bad"], ask, length=len))
    assert isinstance(answers.pop("bad"), kind)
    assert answers == {text: text.upper() for text in answers}
    assert len(answers) == 50


@pytest.mark.parametrize("kind", [UnreachableError, SignatureNotFoundError])
def test_another_error_ends_the_run_after_the_earlier_answers(
    kind: type[UnreachableError | SignatureNotFoundError],
) -> None:
    def ask(texts: Sequence[str]) -> list[str]:
        if "25" in texts:
            msg = "no"
            raise kind(msg)
        return list(texts)

    yielded: list[str] = []
    answers = ask_all(map(str, range(100)), ask, length=len, window=10)
    with pytest.raises(kind):
        yielded.extend(item for item, _ in answers)
    assert yielded == [str(number) for number in range(20)]


def test_progress_counts_every_item() -> None:
    counted: list[int] = []
    list(ask_all(["a"] * 300, upper, length=len, progress=counted.append))
    assert sum(counted) == 300


def test_workers_have_the_callers_context() -> None:
    from contextvars import ContextVar

    variable = ContextVar("variable", default="")
    variable.set("the caller's")
    answers = ask_all(["a", "b"], lambda texts: [variable.get() for _ in texts], length=len)
    assert [answer for _, answer in answers] == ["the caller's"] * 2


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_a_text_that_is_missing_fails_alone(missing: Any) -> None:
    with FillMask(InProcess(TableModel())) as client:
        answers = list(ask_all(["一[MASK]", missing, "[MASK]"], client.fill, length=len))
    assert [isinstance(answer, InputError) for _, answer in answers] == [False, True, False]
    assert "a text must be a str, not" in str(answers[1][1])
