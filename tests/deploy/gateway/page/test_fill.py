"""Test filling while typing."""

import re

import pytest
from playwright.sync_api import expect

from tests.deploy.gateway.conftest import Gateway
from tests.deploy.gateway.page.conftest import Open
from tests.deploy.gateway.page.workbench import (
    AMBIGUOUS,
    SENTENCE,
    TWO_MASKS,
    VERSE,
    Held,
    answer,
    ask,
    expect_answer,
    expect_shares,
    open_masks,
    open_tab,
    text_box,
    tokens,
)


def test_the_first_example_is_answered_when_the_page_opens(open_page: Open) -> None:
    page = open_page()
    line = text_box(page).input_value()
    assert "[MASK]" in line
    expect(expect_answer(page, line).locator(".candidates > li")).to_have_count(5)
    expect(page.locator("#model-state")).to_have_attribute("data-state", "ready")


def test_an_answer_follows_every_typed_character(open_page: Open) -> None:
    page = open_page()
    ask(page, "今天天气真[MASK]")
    text_box(page).press("End")
    for typed in ("今天天气真[MASK]啊", "今天天气真[MASK]啊，"):
        page.keyboard.insert_text(typed[-1])
        expect_answer(page, typed)


def test_candidates_are_the_models_with_percent_and_bar_and_the_best_stands_out(
    open_page: Open, gateway: Gateway
) -> None:
    expected = gateway.answer("/v1/fill-mask", {"inputs": SENTENCE})
    page = open_page()
    candidates = ask(page, SENTENCE).locator("ol.candidates")
    assert tokens(candidates) == [one["token_str"] for one in expected]
    percents = [float(text.rstrip(" %")) for text in candidates.locator(".percent").all_inner_texts()]
    assert percents == pytest.approx([one["score"] * 100 for one in expected], abs=0.06)
    expect(candidates.locator("li").first).to_have_class(re.compile(r"\bbest\b"))
    expect(candidates.locator(".best")).to_have_count(1)
    expect_shares(candidates.locator(".bar"), [one["score"] for one in expected])


def test_the_sentence_is_shown_with_the_word_filled_in(open_page: Open) -> None:
    page = open_page()
    sentence = ask(page, SENTENCE).locator(".sentence")
    expect(sentence).to_have_text("今天天气真好啊，适合出去玩。")
    expect(sentence.locator(".filled")).to_have_text("好")


def test_the_three_characters_that_the_answer_leans_on_are_marked(open_page: Open, gateway: Gateway) -> None:
    explained = gateway.answer("/v1/explain", {"inputs": SENTENCE})
    most = sorted(explained["weights"], key=lambda weight: -weight["weight"])[:3]
    page = open_page()
    marks = ask(page, SENTENCE).locator("mark.lean")
    expect(marks).to_have_count(3)
    ranked = {mark.get_attribute("data-rank"): mark.inner_text() for mark in marks.all()}
    assert ranked == {str(place): weight["token_str"] for place, weight in enumerate(most, 1)}
    expect(page.locator("#fill-answer .legend .lean-token")).to_have_text([weight["token_str"] for weight in most])


def test_a_click_on_a_candidate_shows_it_in_the_sentence(open_page: Open) -> None:
    page = open_page()
    found = ask(page, SENTENCE)
    second = found.locator("ol.candidates > li").nth(1)
    expect(second.get_by_role("button")).to_have_attribute("aria-pressed", "false")
    second.get_by_role("button").click()
    expect(found.locator(".filled")).to_have_text(second.locator(".token").inner_text())
    expect(second.get_by_role("button")).to_have_attribute("aria-pressed", "true")
    expect(second.get_by_role("button")).to_be_focused()


def test_more_candidates_come_when_more_are_asked_for(open_page: Open) -> None:
    page = open_page()
    ask(page, SENTENCE)
    page.get_by_role("spinbutton", name="Candidates").fill("12")
    expect(answer(page).locator("ol.candidates > li")).to_have_count(12)


def test_the_button_asks_too(open_page: Open) -> None:
    page = open_page()
    ask(page, SENTENCE)
    with page.expect_response("**/v1/fill-mask") as asked:
        page.get_by_role("button", name="Ask", exact=True).click()
    assert asked.value.ok


def test_several_lines_are_a_batch(open_page: Open) -> None:
    page = open_page()
    lines = (SENTENCE, VERSE, "红豆生南国，春来发几[MASK]？")
    batch = ask(page, *lines).locator("ol.batch > li")
    expect(batch).to_have_count(3)
    expect(batch.locator(".filled")).to_have_text(["好", "上", "枝"])
    expect(batch.nth(1).locator("ol.candidates")).to_be_hidden()
    batch.nth(1).locator("summary").click()
    expect(batch.nth(1).locator("ol.candidates > li")).to_have_count(5)


def test_a_line_of_a_batch_that_is_unfolded_is_explained_too(open_page: Open, gateway: Gateway) -> None:
    explained = gateway.answer("/v1/explain", {"inputs": VERSE})
    most = sorted(explained["weights"], key=lambda weight: -weight["weight"])[:3]
    words = [weight["token_str"] for weight in most]
    page = open_page()
    batch = ask(page, SENTENCE, VERSE).locator("ol.batch > li")
    batch.nth(1).locator("summary").click()
    expect(batch.nth(1).locator(".legend .lean-token")).to_have_text(words)
    expect(batch.nth(1).locator("summary mark.lean")).to_have_count(3)
    expect(batch.nth(0).locator(".legend")).to_have_count(0)
    text_box(page).press_sequentially("\n中国的首都是[MASK]京。")  # it stays unfolded, and is explained after a pause
    expect(batch).to_have_count(3)
    expect(batch.nth(1).locator(".legend .lean-token")).to_have_text(words)


def test_several_masks_have_candidates_each_and_whole_words_together(open_page: Open, gateway: Gateway) -> None:
    each = gateway.answer("/v1/fill-mask", {"inputs": TWO_MASKS})
    together = gateway.answer("/v1/fill-mask", {"inputs": TWO_MASKS, "parameters": {"joint": True}})
    page = open_page()
    found = ask(page, TWO_MASKS)
    open_masks(found)
    expect(found.get_by_role("heading", name=re.compile("Mask [12]"))).to_have_count(2)
    for mask, expected in zip(found.locator("section.mask").all(), each, strict=True):
        assert tokens(mask) == [one["token_str"] for one in expected]
    whole = found.locator("section.whole")
    expect(whole.get_by_role("heading", name="Whole words")).to_be_visible()
    expect(whole.locator("ol.candidates .token")).to_have_text([one["token_str"] for one in together])


def test_a_choice_within_five_percent_is_called_ambiguous(open_page: Open, gateway: Gateway) -> None:
    best, second = gateway.answer("/v1/fill-mask", {"inputs": AMBIGUOUS, "parameters": {"top_k": 2}})
    assert best["score"] - second["score"] < 0.05
    page = open_page()
    note = ask(page, AMBIGUOUS).locator(".ambiguous")
    expect(note).to_be_visible()
    expect(note).to_contain_text(best["token_str"])
    expect(note).to_contain_text(second["token_str"])
    expect(ask(page, SENTENCE).locator(".ambiguous")).to_have_count(0)


def test_every_example_is_answered_when_it_is_clicked(open_page: Open) -> None:
    page = open_page()
    examples = page.get_by_role("group", name="Examples").get_by_role("button")
    assert examples.count() >= 4
    for example in examples.all():
        example.click()
        expect_answer(page, *filter(None, text_box(page).input_value().split("\n")))
        expect(page.locator("#fill-hints li")).to_have_count(0)
        expect(page.locator("#fill-problem")).to_be_hidden()
    page.get_by_role("button", name="Ambiguous").click()
    expect(answer(page).locator(".ambiguous")).to_be_visible()


def test_the_timing_tells_the_way_from_key_to_answer_and_the_servers_part(open_page: Open) -> None:
    page = open_page()
    ask(page, SENTENCE)
    expect(page.locator("#fill-timing")).to_have_text(re.compile(r"\d+ ms.*\d+ ms"))


def test_a_reader_of_the_screen_is_told_the_best_answer(open_page: Open) -> None:
    page = open_page()
    ask(page, SENTENCE)
    expect(page.get_by_role("status").filter(has_text=re.compile("Best: 好"))).to_have_count(1)


def test_an_input_method_asks_only_once_its_characters_are_chosen(open_page: Open) -> None:
    page = open_page()
    expect(ask(page, "今天天气真[MASK]").locator(".legend")).to_be_visible()
    text_box(page).press("End")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    keyboard = page.context.new_cdp_session(page)
    for letters in ("a", "a'h", "a'ha"):
        keyboard.send("Input.imeSetComposition", {"text": letters, "selectionStart": 3, "selectionEnd": 3})
    expect(text_box(page)).to_have_value("今天天气真[MASK]a'ha")
    page.wait_for_timeout(300)  # nothing must happen, for longer than an answer takes
    assert asked == []
    expect_answer(page, "今天天气真[MASK]")
    expect(page.locator("#fill-hints li")).to_have_count(0)
    keyboard.send("Input.insertText", {"text": "啊哈"})
    expect_answer(page, "今天天气真[MASK]啊哈")


def test_html_in_a_text_is_text(open_page: Open) -> None:
    page = open_page()
    line = "<img src=x onerror=document.title='owned'>好[MASK]<script>document.title='owned'</script>"
    found = ask(page, line)
    expect(found.locator(".sentence")).to_contain_text("<img src=x onerror=")
    expect(found.locator(".legend")).to_be_visible()
    ask(page, line, line)
    for name, button in (("Similarity", "Compare"), ("Features", "Read")):
        panel = open_tab(page, name)
        for box in panel.get_by_role("textbox").all():
            box.fill(line)
        panel.get_by_role("button", name=button).click()
        expect(page.locator(f"#{name.lower()}-timing")).to_contain_text("ms")
    expect(page.locator("main").locator("img, script")).to_have_count(0)
    assert page.title() != "owned"


def test_html_in_a_link_is_text(open_page: Open) -> None:
    page = open_page("/?lang=en&text=%3Cimg%20src%3Dx%20onerror%3Ddocument.title%3D1%3E%5BMASK%5D")
    expect(expect_answer(page, "<img src=x onerror=document.title=1>[MASK]").locator("img")).to_have_count(0)


def test_an_answer_that_comes_late_does_not_overwrite_a_newer_one(open_page: Open) -> None:
    page = open_page()
    ask(page, SENTENCE)
    held = Held(page, "fill-mask", "古道")
    text_box(page).fill("古道西风瘦[MASK]。")
    held.expect()
    newer = ask(page, AMBIGUOUS)
    held.send()
    page.wait_for_timeout(300)  # nothing must happen, for longer than an answer takes
    expect_answer(page, AMBIGUOUS)
    expect(newer.locator(".sentence")).to_contain_text("喜欢你")
