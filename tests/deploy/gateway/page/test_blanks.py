"""Test that blanks as people write them are offered as [MASK]."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.deploy.gateway.page.conftest import DESKTOP, Open
from tests.deploy.gateway.page.test_accessibility import violations
from tests.deploy.gateway.page.test_look import expect_fits
from tests.deploy.gateway.page.workbench import expect_answer

PHONE = (375, 667)
BLANKS = (
    "__",
    "____",
    "＿＿",
    "□",
    "（ ）",
    "（　）",
    "（）",
    "( )",
    "()",
    "【】",
    "【 】",
    "［ ］",
    "[ ]",
    "...",
    "……",
)
FILLED = "床前[MASK]月光。"
BUTTONS = {"en": "Use [MASK]", "zh": "换成 [MASK]"}


def offer(page: Page) -> Locator:
    found = page.locator('#fill-hints li[data-kind="blank"]')
    expect(found).to_be_visible()
    return found


@pytest.mark.parametrize(
    ("language", "size", "dark"), [("en", DESKTOP, False), ("zh", PHONE, True)], ids=["desktop", "phone"]
)
def test_a_blank_becomes_a_mask_by_a_click(
    open_page: Open, subtests: pytest.Subtests, language: str, size: tuple[int, int], *, dark: bool
) -> None:
    page = open_page(f"/?lang={language}", size=size, dark=dark)
    box = page.locator("#fill-text")
    for blank in BLANKS:
        with subtests.test(blank):
            box.fill(f"床前{blank}月光。")
            expect(offer(page)).to_contain_text(f"“{blank}”")
            expect_fits(page)
            offer(page).get_by_role("button", name=BUTTONS[language]).click()
            expect(box).to_have_value(FILLED)
            expect(page.locator("#fill-hints li")).to_have_count(0)
    box.fill("床前__月光。")
    offer(page)
    assert violations(page) == []


def test_all_blanks_become_masks_by_one_key(open_page: Open) -> None:
    page = open_page()
    box = page.locator("#fill-text")
    box.fill("画__添（ ）。\n□骑马。\n今天[MASK]气很好")
    box.press("Alt+m")
    expect(box).to_have_value("画[MASK]添[MASK]。\n[MASK]骑马。\n今天[MASK]气很好")
    expect_answer(page, *box.input_value().split("\n"))
    box.press("Control+z")
    expect(box).to_have_value("画__添（ ）。\n□骑马。\n今天[MASK]气很好")
    box.fill("今天天气")
    box.press("Alt+m")  # without a blank, at the caret
    expect(box).to_have_value("今天天气[MASK]")


def test_a_selection_is_replaced_although_there_is_a_blank(open_page: Open) -> None:
    page = open_page()
    box = page.locator("#fill-text")
    box.fill("画__添足。")
    box.evaluate("box => { box.focus(); box.setSelectionRange(4, 5); }")
    box.press("Alt+m")
    expect(box).to_have_value("画__添[MASK]。")


def test_a_text_with_a_mask_is_answered_although_a_blank_is_offered(open_page: Open) -> None:
    page = open_page()
    text = "画__添[MASK]。"
    page.locator("#fill-text").fill(text)
    expect_answer(page, text)
    offer(page)
    expect(page.locator("#fill-text")).to_have_attribute("aria-invalid", "false")


@pytest.mark.parametrize(
    "text", ["（[MASK]）", "f()的结果是[MASK]。", "他想了想……就[MASK]了。", "他说[MASK]...", "a_b是[MASK]"]
)
def test_what_is_no_blank_is_not_offered(open_page: Open, text: str) -> None:
    page = open_page()
    page.locator("#fill-text").fill(text)
    expect_answer(page, text)
    expect(page.locator("#fill-hints li")).to_have_count(0)


TYPE = """(box, text) => {
  box.value = text;
  box.setSelectionRange(text.length, text.length);
  box.dispatchEvent(new InputEvent("input", { bubbles: true }));
  return document.getElementById("fill-hints").hidden;
}"""


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_no_hint_comes_and_no_button_moves_while_the_first_characters_are_typed(
    open_page: Open, size: tuple[int, int]
) -> None:
    page = open_page(size=size)
    box = page.locator("#fill-text")
    box.fill("")
    buttons = page.locator("#fill-form .controls").first.bounding_box()
    for text in ("今", "今天", "今天_", "今天__", "今天[MASK", "今天"):
        assert box.evaluate(TYPE, text), text
    expect(page.locator('#fill-hints li[data-kind="no-mask"]')).to_be_visible()  # after a pause
    assert page.locator("#fill-form .controls").first.bounding_box() == buttons
    assert not box.evaluate(TYPE, "今天天"), "a hint that is shown stays"


def test_the_button_shows_the_hint_at_once(open_page: Open) -> None:
    page = open_page()
    box = page.locator("#fill-text")
    assert box.evaluate(TYPE, "今天")
    page.locator("#fill-ask").evaluate("button => button.click()")
    assert not page.locator("#fill-hints").evaluate("list => list.hidden")
