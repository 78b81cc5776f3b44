"""Test keyboard operation and visible focus."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.deploy.gateway.page.conftest import Open
from tests.deploy.gateway.page.workbench import SENTENCE, answer, ask, expect_answer, focused, text_box

_LOOK = """() => {
  const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(document.activeElement);
  return outlineStyle === "none" ? boxShadow : `${outlineWidth} ${boxShadow}`;
}"""
# The same without the focus; the focus comes back as if by a key.
_LOOK_AT_REST = """() => {
  const on = document.activeElement;
  on.blur();
  const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(on);
  on.focus({ focusVisible: true });
  return outlineStyle === "none" ? boxShadow : `${outlineWidth} ${boxShadow}`;
}"""


def walk(page: Page) -> list[str]:
    """Press Tab from the beginning until the focus leaves the page; check that it can be seen at every stop."""
    stops: list[str] = []
    while True:
        page.keyboard.press("Tab")
        stop = focused(page)
        if stop.startswith("BODY") or stop in stops[:1]:
            return stops
        stops.append(stop)
        assert page.evaluate(_LOOK) != page.evaluate(_LOOK_AT_REST), f"the focus on {stop} cannot be seen"
        assert len(stops) < 100, stops


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_tab_goes_through_the_page_in_its_order_and_the_focus_is_seen(open_page: Open, *, dark: bool) -> None:
    page = open_page(dark=dark)
    expect(answer(page)).to_have_attribute("aria-busy", "false")
    stops = walk(page)
    ids = [stop for stop in stops if " " not in stop]
    assert stops[0].endswith("Skip to the text")
    assert [name for name in ids if name.startswith("tab-")] == ["tab-fill"], (
        "tabs are one stop; arrows go between them"
    )
    assert ids.index("tab-fill") < ids.index("fill-text") < ids.index("fill-ask")


def test_a_sentence_is_written_and_answered_by_keys_alone(open_page: Open) -> None:
    page = open_page()
    expect(answer(page)).to_have_attribute("aria-busy", "false")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # the skip link
    expect(text_box(page)).to_be_focused()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text("今天天气真啊，适合出去玩。")
    page.keyboard.press("Home")
    for _ in "今天天气真":
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Alt+m")
    expect(text_box(page)).to_have_value(SENTENCE)
    expect_answer(page, SENTENCE)
    with page.expect_response("**/v1/fill-mask") as asked:
        page.keyboard.press("Control+Enter")
    assert asked.value.ok
    expect_answer(page, SENTENCE)
    expect(text_box(page)).to_be_focused()


def test_tab_leaves_the_text_box(open_page: Open) -> None:
    page = open_page()
    text_box(page).focus()
    page.keyboard.press("Tab")
    expect(text_box(page)).not_to_be_focused()


def test_arrows_home_and_end_go_between_the_tabs(open_page: Open) -> None:
    page = open_page()
    page.get_by_role("tab", name="Fill").focus()
    for key, name in (
        ("ArrowRight", "Proofread"),
        ("ArrowRight", "Similarity"),
        ("ArrowRight", "Features"),
        ("ArrowRight", "Fill"),
        ("ArrowLeft", "Features"),
        ("Home", "Fill"),
        ("End", "Features"),
    ):
        page.keyboard.press(key)
        tab = page.get_by_role("tab", name=name)
        expect(tab).to_be_focused()
        expect(tab).to_have_attribute("aria-selected", "true")
        expect(page.get_by_role("tabpanel")).to_have_count(1)
        expect(page.get_by_role("tabpanel", name=name)).to_be_visible()


def test_the_list_of_shortcuts_opens_and_closes_by_key_and_gives_the_focus_back(open_page: Open) -> None:
    page = open_page()
    tab = page.get_by_role("tab", name="Fill")
    tab.focus()
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    expect(dialog).to_contain_text("Alt")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(tab).to_be_focused()


def test_a_slash_leads_to_the_text(open_page: Open) -> None:
    page = open_page()
    page.get_by_role("tab", name="Fill").focus()
    page.keyboard.press("/")
    expect(text_box(page)).to_be_focused()
    expect(text_box(page)).not_to_have_value(re.compile("/"))


def test_a_question_mark_in_a_text_is_a_question_mark(open_page: Open) -> None:
    page = open_page()
    ask(page, "你喜欢[MASK]吗")
    text_box(page).press("End")
    page.keyboard.type("?")
    expect_answer(page, "你喜欢[MASK]吗?")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_hint_is_fixed_by_keys_alone(open_page: Open) -> None:
    page = open_page()
    text_box(page).fill("今天[mask]气真好。")
    fix = page.locator('#fill-hints li[data-kind="case"]').get_by_role("button")
    expect(fix).to_be_visible()
    text_box(page).focus()
    for _ in range(12):
        page.keyboard.press("Tab")
        if fix.evaluate("button => button === document.activeElement"):
            break
    expect(fix).to_be_focused()
    page.keyboard.press("Enter")
    expect_answer(page, "今天[MASK]气真好。")
    expect(text_box(page)).to_be_focused()
