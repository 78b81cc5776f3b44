"""Test that whole words come first and that no probability is shown as certainty."""

import math
import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.deploy.gateway.conftest import Gateway
from tests.deploy.gateway.page.conftest import DESKTOP, Open
from tests.deploy.gateway.page.test_look import expect_fits
from tests.deploy.gateway.page.workbench import (
    GUESSWORK,
    SENTENCE,
    TWO_MASKS,
    VERSE,
    ask,
    expect_answer,
    expect_shares,
    open_masks,
)

PHONE = (375, 740)
SAYING = "千里之行，始于[MASK][MASK]。"
RATINGS = {"en": ("likely", "possible", "a guess"), "zh": ("很可能", "可能", "只是猜")}


def mean_share(filling: Any) -> float:
    """Return the geometric mean of the tokens' probabilities."""
    return math.exp(filling["log_likelihood"] / len(filling["tokens"]))


def rating(share: float, language: str) -> str:
    return RATINGS[language][0 if share >= 0.5 else 1 if share >= 0.2 else 2]


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_words_are_rated_by_their_characters_and_not_by_their_product(
    open_page: Open, gateway: Gateway, language: str, size: tuple[int, int]
) -> None:
    words = gateway.answer("/v1/fill-mask", {"inputs": SAYING, "parameters": {"joint": True}})
    page = open_page(f"/?lang={language}", size=size)
    page.locator("#fill-text").fill(SAYING)
    rows = page.locator("section.whole ol.candidates > li")
    expect(rows.locator(".token")).to_have_text([word["token_str"] for word in words])
    expect(rows.locator(".rating")).to_have_text([rating(mean_share(word), language) for word in words])
    expect_shares(rows.locator(".bar"), [mean_share(word) for word in words])
    percents = [float(text.lstrip("<").rstrip("%")) for text in rows.locator(".percent").all_inner_texts()]
    assert percents == pytest.approx([math.exp(word["log_likelihood"]) * 100 for word in words], abs=0.06)
    expect_fits(page)


def test_candidates_for_each_mask_are_folded_until_somebody_opens_them(open_page: Open) -> None:
    page = open_page()
    found = ask(page, TWO_MASKS)
    expect(found.locator("section.whole ol.candidates")).to_be_visible()
    expect(found.locator("section.mask").first).to_be_hidden()
    masks = open_masks(found)
    expect(masks.locator("summary")).to_have_text("Each of the 2 masks by itself")
    expect(ask(page, SAYING).locator("section.mask").first).to_be_visible()  # they stay open for the next text
    found.locator("details.each summary").focus()
    page.keyboard.press("Enter")
    expect(found.locator("section.mask").first).to_be_hidden()
    expect(ask(page, TWO_MASKS).locator("section.whole ol.candidates")).to_be_visible()
    expect(found.locator("section.mask").first).to_be_hidden()


def test_guesswork_has_one_note_and_not_one_for_each_mask(open_page: Open, gateway: Gateway) -> None:
    masks = gateway.answer("/v1/fill-mask", {"inputs": GUESSWORK, "parameters": {"top_k": 2}})
    assert all(first["score"] - second["score"] < 0.05 for first, second in masks[:2])
    page = open_page()
    note = ask(page, GUESSWORK).locator(".ambiguous")
    expect(note).to_have_count(1)
    expect(note).to_have_text("The model is guessing: nothing stands out. More text around the mask helps.")
    line = ask(page, SENTENCE, GUESSWORK).locator("ol.batch > li")
    expect(line.locator("summary .badge")).to_have_count(0)
    expect(line.nth(0).locator("summary .percent")).to_have_text(re.compile(r"^\d+\.\d%$"))
    expect(line.nth(1).locator("summary .percent")).to_have_text("a guess")


def test_without_whole_words_one_note_names_all_masks_that_are_tied(open_page: Open) -> None:
    page = open_page()
    candidates = [{"score": score, "token": 1, "token_str": word} for word, score in (("甲", 0.4), ("乙", 0.39))]
    page.route(
        "**/v1/fill-mask",
        lambda route: route.fulfill(json=[[] if "joint" in route.request.post_data else [candidates] * 2]),
    )
    found = ask(page, TWO_MASKS)
    expect(found.locator(".ambiguous")).to_have_text(
        "Masks 1, 2 are ambiguous: each has two candidates about as likely as each other."
    )
    expect(found.locator("section.mask").first).to_be_visible()  # there is nothing else to look at


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_reasons_say_what_becomes_of_the_answer_without_a_character(
    open_page: Open, gateway: Gateway, language: str, size: tuple[int, int]
) -> None:
    explained = gateway.answer("/v1/explain", {"inputs": VERSE})
    most = max(explained["weights"], key=lambda weight: weight["weight"])
    before = explained["prediction"]["score"]
    after = before * math.exp(-most["weight"])
    page = open_page(f"/?lang={language}", size=size, dark=True)
    page.locator("#fill-text").fill(VERSE)
    first = expect_answer(page, VERSE).locator(".legend li").first
    expect(first.locator(".share")).to_have_count(2)
    start, end = [float(text.rstrip("%")) for text in first.locator(".share").all_inner_texts()]
    assert [start, end] == pytest.approx([before * 100, after * 100], abs=0.6)
    shape = {"en": r"^{} hidden: from \d+% to [\d.]+%$", "zh": r"^遮住“{}”后，把握从 \d+% 降到 [\d.]+%$"}[language]
    expect(first).to_have_text(re.compile(shape.format(most["token_str"])))
    expect_fits(page)
