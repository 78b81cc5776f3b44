"""Test the words for similarities and the table of several lines."""

import math
import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.deploy.gateway.conftest import Gateway
from tests.deploy.gateway.page.conftest import DESKTOP, Open
from tests.deploy.gateway.page.test_accessibility import violations
from tests.deploy.gateway.page.test_look import expect_fits

PHONE = (375, 740)
LINES = ("今天天气真好。", "今天天气不错。", "他去图书馆了。")
WORDS = {"en": ("very close", "unrelated"), "zh": ("很接近", "无关")}


def compare(page: Page, first: str, second: str) -> None:
    page.locator("#tab-similarity").click()
    page.locator("#similarity-first").fill(first)
    page.locator("#similarity-second").fill(second)


def show_lines(page: Page, *lines: str) -> None:
    page.locator("#tab-features").click()
    page.locator("#features-text").fill("\n".join(lines))


def cosine(one: Any, other: Any) -> float:
    dot: float = sum(first * second for first, second in zip(one, other, strict=True))
    return dot / math.hypot(*one) / math.hypot(*other)


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_similarity_is_told_in_words_beside_its_figure(
    open_page: Open, gateway: Gateway, language: str, size: tuple[int, int]
) -> None:
    pairs = [[LINES[0], LINES[1]], [LINES[0], LINES[2]]]
    found = gateway.answer("/v1/similarity", {"inputs": {"pairs": pairs}})
    assert [one["score"] > 0.45 for one in found] == [True, False]
    page = open_page(f"/?lang={language}", size=size)
    for pair, one, word in zip(pairs, found, WORDS[language], strict=True):
        compare(page, *pair)
        expect(page.locator("#similarity-answer .relation")).to_have_text(word)
        expect(page.locator("#similarity-answer .figure")).to_have_text(f"{one['score']:.2f}")
    expect(page.locator("#announcement")).to_contain_text(WORDS[language][1])
    expect_fits(page)


@pytest.mark.parametrize(
    ("score", "word"), [(0.45, "very close"), (0.44, "related"), (0.19, "unrelated"), (-0.4, "unrelated")]
)
def test_the_words_follow_the_whitened_cosine(open_page: Open, score: float, word: str) -> None:
    page = open_page()
    answer = [{"score": score, "measure": "whitened cosine", "cosine": 0.8}]
    page.route("**/v1/similarity", lambda route: route.fulfill(json=answer))
    compare(page, *LINES[:2])
    expect(page.locator("#similarity-answer .relation")).to_have_text(word)


def test_a_plain_cosine_has_no_word_since_it_is_high_for_any_two(open_page: Open) -> None:
    page = open_page()
    answer = [{"score": 0.9, "measure": "cosine", "cosine": 0.9}]
    page.route("**/v1/similarity", lambda route: route.fulfill(json=answer))
    compare(page, *LINES[:2])
    expect(page.locator("#similarity-answer .figure")).to_have_text("0.90")
    expect(page.locator("#similarity-answer .relation")).to_have_count(0)
    expect(page.locator("#similarity-answer")).to_contain_text("The served version has no whitening")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_lines_have_a_table_of_their_similarities(
    open_page: Open, gateway: Gateway, language: str, *, dark: bool
) -> None:
    vectors = gateway.answer("/v1/features", {"inputs": list(LINES)})
    page = open_page(f"/?lang={language}", dark=dark)
    for size in (DESKTOP, PHONE):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        show_lines(page, *LINES)
        rows = page.locator("table.heat tbody tr")
        expect(rows).to_have_count(3)
        for number, one in enumerate(vectors):
            figures = rows.nth(number).locator("td").all_inner_texts()
            expected = [f"{cosine(one['whitened'], other['whitened']):.2f}" for other in vectors]
            expected[number] = "—"
            assert figures == expected
        expect(rows.nth(0).locator("td").nth(1)).to_have_attribute("title", re.compile(WORDS[language][0]))
        shades = (
            rows.nth(0).locator("td").evaluate_all("cells => cells.map(cell => getComputedStyle(cell).backgroundColor)")
        )
        assert shades[1] != shades[2]
        expect_fits(page)
        assert violations(page) == []


def test_the_table_follows_the_chosen_vector(open_page: Open, gateway: Gateway) -> None:
    one, other = gateway.answer("/v1/features", {"inputs": list(LINES[:2])})
    page = open_page()
    show_lines(page, *LINES[:2])
    page.get_by_role("combobox", name="Vector").select_option("mean")
    cell = page.locator("table.heat tbody tr").first.locator("td").nth(1)
    expect(cell).to_have_text(f"{cosine(one['mean'], other['mean']):.2f}")
    expect(page.locator("#features-answer")).to_contain_text("Plain cosines")


def test_many_lines_are_told_apart_by_colour_and_fit_a_phone(open_page: Open) -> None:
    page = open_page(size=PHONE)
    show_lines(page, *(f"第{number}句话。" for number in range(45)))
    expect(page.locator("table.heat tbody tr")).to_have_count(40)
    expect(page.locator("#features-answer")).to_contain_text("The table has the first 40 lines; the file has all.")
    expect_fits(page)
    assert violations(page) == []


def test_a_single_line_asks_for_a_second(open_page: Open) -> None:
    page = open_page()
    show_lines(page, LINES[0])
    expect(page.locator("#features-answer")).to_contain_text("Write a second line")
    expect(page.locator("table.heat")).to_have_count(0)


def test_without_a_whitening_the_mean_vectors_are_compared(open_page: Open) -> None:
    page = open_page()
    vectors = [{"cls": [1, 0], "mean": [1, 0], "whitened": None}, {"cls": [0, 1], "mean": [0.6, 0.8], "whitened": None}]
    page.route("**/v1/features", lambda route: route.fulfill(json=vectors))
    show_lines(page, *LINES[:2])
    expect(page.locator("table.heat tbody tr").first.locator("td").nth(1)).to_have_text("0.60")
    expect(page.locator("#features-answer .about").first).to_contain_text("The served version has no whitening")
