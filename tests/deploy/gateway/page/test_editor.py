"""Test the seals over the masks of the text box, and that each is one character."""

import pytest
from playwright.sync_api import Page, expect

from tests.deploy.gateway.page.conftest import DESKTOP, Open
from tests.deploy.gateway.page.workbench import TWO_MASKS, ask, text_box

PHONE = (320, 640)
LONG = "\n".join(["今天天气很好，" * 7 + "真[MASK]。[MASK][MASK]"] * 12)
METRICS = """() => {
  const [area, text] = [document.getElementById("fill-text"), document.querySelector(".editor-text")];
  const top = -new DOMMatrix(getComputedStyle(text).transform).f;
  return { heights: [text.offsetHeight, area.scrollHeight], tops: [area.scrollTop, top] };
}"""
SEAL = """() => {
  const seal = getComputedStyle(document.querySelector(".editor .seal"), "::after");
  return [seal.backgroundColor, seal.content];
}"""


def expect_caret(page: Page, start: int, end: int) -> None:
    """Wait for the selection's start and end; the browser reports a change of the selection in a task of its own."""
    page.wait_for_function(
        "([start, end]) => {"
        " const box = document.getElementById('fill-text');"
        " return box.selectionStart === start && box.selectionEnd === end; }",
        arg=[start, end],
    )


@pytest.mark.parametrize(
    ("size", "dark", "colour"),
    [(DESKTOP, False, "rgb(179, 56, 44)"), (PHONE, True, "rgb(255, 143, 122)")],
    ids=["desktop-light", "phone-dark"],
)
def test_each_mask_is_a_red_seal(open_page: Open, size: tuple[int, int], colour: str, *, dark: bool) -> None:
    page = open_page(size=size, dark=dark)
    ask(page, TWO_MASKS)
    expect(page.locator(".editor .seal")).to_have_text(["[MASK]", "[MASK]"])
    assert page.evaluate(SEAL) == [colour, '"MASK"']
    text_box(page).fill("没有空")
    expect(page.locator(".editor .seal")).to_have_count(0)


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_seals_follow_the_text_while_it_scrolls(open_page: Open, size: tuple[int, int]) -> None:
    page = open_page(size=size)
    text_box(page).fill(LONG)
    text_box(page).evaluate("box => { box.scrollTop = 150; }")
    page.wait_for_function("document.getElementById('fill-text').scrollTop > 100")
    page.wait_for_function(f"(({METRICS})().tops.every((top, _, [first]) => top === first))")
    heights = page.evaluate(METRICS)["heights"]
    assert heights[0] == heights[1], "the lines are broken at the same places"


def test_the_caret_goes_over_a_mask_in_one_step(open_page: Open) -> None:
    page = open_page()
    text_box(page).fill("好[MASK]吗")
    box = text_box(page)
    box.press("Home")
    for expected in (1, 7, 8):
        box.press("ArrowRight")
        expect_caret(page, expected, expected)
    for expected in (7, 1, 0):
        box.press("ArrowLeft")
        expect_caret(page, expected, expected)
    for start, end in ((0, 1), (0, 7)):
        box.press("Shift+ArrowRight")
        expect_caret(page, start, end)
    expect(page.locator(".editor .seal.selected")).to_have_count(1)


def test_a_mask_is_deleted_by_one_key_and_comes_back_by_undo(open_page: Open) -> None:
    page = open_page()
    box = text_box(page)
    for key, place in (("Backspace", 7), ("Delete", 1)):
        box.fill("好[MASK]吗")
        box.evaluate("(box, place) => { box.focus(); box.setSelectionRange(place, place); }", place)
        box.press(key)
        expect(box).to_have_value("好吗")
        box.press("Control+z")
        expect(box).to_have_value("好[MASK]吗")
        box.press("End")
        box.press("Backspace")
        expect(box).to_have_value("好[MASK]")


def test_a_mask_can_be_typed_letter_by_letter(open_page: Open) -> None:
    page = open_page()
    text_box(page).fill("")
    text_box(page).press_sequentially("[MASK]a")
    expect(text_box(page)).to_have_value("[MASK]a")
    expect(page.locator(".editor .seal")).to_have_count(1)
