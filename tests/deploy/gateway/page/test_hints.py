"""Test hints about invalid texts and their fixes."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.deploy.gateway.page.conftest import Open
from tests.deploy.gateway.page.workbench import SENTENCE, ask, expect_answer, open_tab, text_box

FIXED = "今天[MASK]气真好。"
MISSPELT = {
    "今天[MASK气真好。": "unclosed",
    "今天MASK]气真好。": "unopened",
    "今天[mask]气真好。": "case",
    "今天[Mask]气真好。": "case",
    "今天[ MASK ]气真好。": "case",
    "今天［MASK］气真好。": "brackets",
    "今天【MASK】气真好。": "brackets",
    "今天<mask>气真好。": "brackets",
    "今天{MASK}气真好。": "brackets",
    "今天MASK气真好。": "bare",
    "今天［ＭＡＳＫ］气真好。": "width",
    "今天[ＭＡＳＫ]气真好。": "width",
    "今天【ｍａｓｋ】气真好。": "width",
    "今天ＭＡＳＫ气真好。": "width",
    "今天[MASK]气\u0007真好。": "control",
}


def hint(page: Page, kind: str) -> Locator:
    found = page.locator(f'#fill-hints li[data-kind="{kind}"]')
    expect(found).to_be_visible()
    return found


def expect_no_hints(page: Page) -> None:
    expect(page.locator("#fill-hints li")).to_have_count(0)


def test_a_hint_says_what_is_wrong_and_fixes_it(open_page: Open, subtests: pytest.Subtests) -> None:
    page = open_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for typed, kind in MISSPELT.items():
        with subtests.test(typed):
            text_box(page).fill("")
            asked.clear()
            text_box(page).fill(typed)
            fix = hint(page, kind)
            assert len(fix.inner_text()) > 20
            assert not [url for url in asked if url.endswith("/v1/fill-mask")], "what cannot be answered is not asked"
            fix.get_by_role("button", name="Fix").click()
            expect(text_box(page)).to_have_value(FIXED)
            expect_no_hints(page)
            expect_answer(page, FIXED)


def test_a_text_without_a_mask_gets_one_at_the_caret(open_page: Open) -> None:
    page = open_page()
    text_box(page).fill("今天气真好。")
    text_box(page).press("Home")
    for _ in "今天":
        text_box(page).press("ArrowRight")
    hint(page, "no-mask").get_by_role("button", name="Insert at the caret").click()
    expect(text_box(page)).to_have_value(FIXED)
    expect_no_hints(page)
    expect_answer(page, FIXED)
    expect(text_box(page)).to_be_focused()


def test_a_text_without_a_mask_gets_one_at_its_end(open_page: Open) -> None:
    page = open_page()
    text_box(page).fill("我爱北")
    hint(page, "no-mask").get_by_role("button", name="Insert at the end").click()
    expect_answer(page, "我爱北[MASK]")


def test_a_mask_at_the_end_stands_before_the_full_stop_or_after_it_and_is_answered(open_page: Open) -> None:
    page = open_page()
    text_box(page).fill("我爱北。")
    hint(page, "no-mask").get_by_role("button", name="Insert at the end").click()
    value = text_box(page).input_value()
    assert value in {"我爱北[MASK]。", "我爱北。[MASK]"}
    expect_answer(page, value)


def test_the_button_inserts_a_mask_in_place_of_the_selection(open_page: Open) -> None:
    page = open_page()
    text_box(page).fill("今天天气真好。")
    text_box(page).evaluate("box => { box.focus(); box.setSelectionRange(5, 6); }")
    page.get_by_role("button", name="Insert [MASK]").click()
    expect_answer(page, "今天天气真[MASK]。")


def test_a_lone_surrogate_is_named_and_removed(open_page: Open) -> None:
    page = open_page()
    text_box(page).evaluate(
        """box => {
          box.value = "今天\\ud83d[MASK]气真好。";
          box.dispatchEvent(new InputEvent("input", { bubbles: true }));
        }"""
    )
    hint(page, "surrogate").get_by_role("button", name="Fix").click()
    expect_answer(page, FIXED)


def test_a_text_that_is_too_long_is_shortened_around_its_mask(open_page: Open) -> None:
    page = open_page(forgive="status of 400")
    line = f"{SENTENCE}{'今天天气很好。' * 40}"
    text_box(page).fill(line)
    too_long = hint(page, "too-long")
    expect(too_long).to_contain_text("128")
    too_long.get_by_role("button", name="Shorten").click()
    expect_answer(page, line)
    expect(page.get_by_role("checkbox", name="Shorten long texts")).to_be_checked()
    expect_no_hints(page)


def test_one_line_that_is_too_long_leaves_the_others_answered(open_page: Open) -> None:
    page = open_page(forgive="status of 400")
    text_box(page).fill(f"{SENTENCE}\n[MASK]{'今天天气很好。' * 40}\n{FIXED}")
    expect(hint(page, "too-long")).to_contain_text("Line 2:")
    expect_answer(page, SENTENCE, FIXED)


def test_a_sentence_to_compare_is_checked_too(open_page: Open) -> None:
    page = open_page()
    panel = open_tab(page, "Similarity")
    first = panel.get_by_role("textbox", name="First sentence")
    first.fill("今天\u0007天气真好。")
    panel.locator('li[data-kind="control"]').get_by_role("button", name="Fix").click()
    expect(first).to_have_value("今天天气真好。")
    expect(panel.locator("li[data-kind]")).to_have_count(0)


LONG = "今天天气很好。" * 40


def test_a_sentence_to_compare_that_is_too_long_is_cut_off_where_the_model_stops_reading(open_page: Open) -> None:
    page = open_page(forgive="status of 400")
    panel = open_tab(page, "Similarity")
    panel.get_by_role("textbox", name="First sentence").fill("今天天气真好。")
    second = panel.get_by_role("textbox", name="Second sentence")
    second.fill(f"𠀀{LONG}")  # a character of two UTF-16 units is one
    too_long = panel.locator("#similarity-second-hints li")
    expect(too_long).to_contain_text("283 tokens long; the model reads 128")
    expect(panel.locator("#similarity-first-hints li")).to_have_count(0)
    expect(panel.locator("#similarity-problem")).to_be_hidden()
    too_long.get_by_role("button", name="Shorten").click()
    expect(second).to_have_value(f"𠀀{LONG}"[:126])
    expect(panel.locator(".score")).to_be_visible()


def test_a_text_to_read_that_is_too_long_is_cut_off_where_the_model_stops_reading(open_page: Open) -> None:
    page = open_page(forgive="status of 400")
    panel = open_tab(page, "Features")
    box = panel.get_by_role("textbox", name="Texts")
    box.fill(f"今天天气真好。\n{LONG}\n今天")
    too_long = panel.locator('li[data-kind="too-long"]')
    expect(too_long).to_contain_text("Line 2:")
    too_long.get_by_role("button", name="Shorten").click()
    expect(box).to_have_value(f"今天天气真好。\n{LONG[:126]}\n今天")
    expect(panel.locator(".text-vector")).to_have_count(3)


def test_too_many_lines_are_said_to_be_too_many(open_page: Open) -> None:
    page = open_page()
    write = "(area, text) => { area.value = text; area.dispatchEvent(new Event('input')); }"
    text_box(page).evaluate(write, "\n".join(f"第{number}天[MASK]气真好。" for number in range(1001)))
    expect(hint(page, "too-many")).to_contain_text("There are 1001 lines; this page takes 1000.")


def test_a_count_of_candidates_that_there_cannot_be_is_hinted(open_page: Open, subtests: pytest.Subtests) -> None:
    page = open_page(forgive="status of 400")
    ask(page, SENTENCE)
    count = page.get_by_role("spinbutton", name="Candidates")
    for value in ("0", "101", "1.5", ""):
        with subtests.test(value):
            count.fill(value)
            hint(page, "top-k").get_by_role("button", name="Fix").click()
            assert 1 <= int(count.input_value()) <= 100
            expect_no_hints(page)
            expect_answer(page, SENTENCE)


def test_in_a_batch_each_hint_names_its_line_and_one_click_fixes_all(open_page: Open) -> None:
    page = open_page()
    text_box(page).fill(f"{SENTENCE}\n今天[mask]气真好。\n今天［MASK］气真好。")
    expect(hint(page, "case")).to_contain_text("Line 2:")
    expect(hint(page, "brackets")).to_contain_text("Line 3:")
    page.get_by_role("button", name="Fix all").click()
    expect_no_hints(page)
    expect_answer(page, SENTENCE, FIXED, FIXED)


def test_an_empty_box_is_no_fault(open_page: Open) -> None:
    page = open_page()
    text_box(page).fill("")
    expect_no_hints(page)
    expect(page.locator("#fill-problem")).to_be_hidden()


def test_a_hint_is_told_to_readers_of_the_screen(open_page: Open) -> None:
    page = open_page()
    text_box(page).fill("今天[mask]气真好。")
    hint(page, "case")
    region = page.locator("#fill-hints").evaluate("list => Boolean(list.closest('[aria-live], [role=status]'))")
    described = (text_box(page).get_attribute("aria-describedby") or "").split()
    assert region
    assert "fill-hints" in described
    expect(text_box(page)).to_have_attribute("aria-invalid", "true")
