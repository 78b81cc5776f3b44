"""Test the tab that proofreads texts."""

import json
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.deploy.gateway.conftest import Gateway, Model, Start
from tests.deploy.gateway.page.conftest import Open
from tests.deploy.gateway.page.test_accessibility import violations
from tests.deploy.gateway.page.test_look import UNBROKEN, expect_fits
from tests.deploy.gateway.page.workbench import Held, focused, open_tab

TEXT = "他说话总是绵里藏真，让人不舒服。"
RIGHT = "他说话总是绵里藏针，让人不舒服。"
VERSE = "春眠不觉小，处处闻啼鸟。"
CALM = "今天天气很好。"
PHONE = (320, 640)
TAB = "/?lang=en&tab=proofread"
THRESHOLDS = {"few": 0.00001, "normal": 0.0001, "many": 0.001}


def answer(page: Page) -> Locator:
    return page.locator("#proofread-answer")


def box(page: Page) -> Locator:
    return page.locator("#proofread-text")


def expect_answer(page: Page, *lines: str) -> Locator:
    """Wait for the answer to these lines, and to no others; return where it stands."""
    about = json.dumps(lines, ensure_ascii=False, separators=(",", ":"))
    expect(answer(page)).to_have_attribute("data-text", about)
    expect(answer(page)).to_have_attribute("aria-busy", "false")
    return answer(page)


def proofread(page: Page, *lines: str, tab: str = "Proofread") -> Locator:
    """Put lines into the tab's box and wait for their answer."""
    open_tab(page, tab)
    box(page).fill("\n".join(lines))
    return expect_answer(page, *lines)


def suspects(gateway: Gateway, text: str, level: str = "normal") -> list[dict[str, Any]]:
    """Return what the gateway answers at a level."""
    document = {"inputs": text, "parameters": {"threshold": THRESHOLDS["many"]}}
    found: list[dict[str, Any]] = gateway.answer("/v1/proofread", document)["suspects"]
    return [one for one in found if one["score"] < THRESHOLDS[level]]


def test_doubtful_characters_are_marked_where_they_stand(open_page: Open, gateway: Gateway) -> None:
    expected = suspects(gateway, TEXT)
    assert [one["token_str"] for one in expected] == ["真"]
    page = open_page(TAB)
    found = proofread(page, TEXT, CALM)
    lines = found.locator(".proofread-line")
    expect(lines.locator(".sentence")).to_have_text([TEXT, CALM])
    marks = lines.first.get_by_role("button")
    expect(marks).to_have_text(["真"])
    before = marks.first.evaluate("mark => mark.previousSibling.textContent")
    assert before == TEXT[: TEXT.index("真")]
    expect(page.locator("#announcement")).to_have_text(summary(len(expected) + len(suspects(gateway, CALM))))
    expect(page.locator("#proofread-timing")).to_contain_text("ms in all")


def summary(count: int) -> str:
    return {0: "No doubtful characters.", 1: "1 doubtful character."}.get(count, f"{count} doubtful characters.")


def test_a_click_shows_the_suggestions_and_another_puts_one_in_its_place(open_page: Open, gateway: Gateway) -> None:
    [expected] = suspects(gateway, TEXT)
    page = open_page(TAB)
    found = proofread(page, TEXT)
    mark = found.get_by_role("button", name="真", exact=True)
    expect(mark).to_have_attribute("aria-expanded", "false")
    mark.click()
    expect(mark).to_have_attribute("aria-expanded", "true")
    card = page.get_by_role("group", name="Suggestions for “真”")
    expect(card).to_contain_text("The model expects 真 here 1 time in")
    assert card.locator(".token").all_inner_texts() == [one["token_str"] for one in expected["suggestions"]]
    expect(card.locator(".percent").first).to_have_text(f"{expected['suggestions'][0]['score']:.1%}")
    card.get_by_role("button").first.click()
    expect(box(page)).to_have_value(RIGHT)
    expect_answer(page, RIGHT)
    box(page).press("Control+z")
    expect(box(page)).to_have_value(TEXT)
    expect_answer(page, TEXT)


def test_keys_alone_go_to_a_mark_choose_a_suggestion_and_go_on(open_page: Open, gateway: Gateway) -> None:
    page = open_page(TAB)
    proofread(page, TEXT, VERSE)
    first, second = suspects(gateway, TEXT)[0], suspects(gateway, VERSE)[0]
    page.locator("#proofread-level").focus()
    page.keyboard.press("Tab")
    assert focused(page) == f"suspect-1-{first['start']}"
    expect(page.locator("#proofread-card")).to_be_visible()  # the focus shows it
    page.keyboard.press("Enter")
    assert focused(page) == "suggestion-0"
    page.keyboard.press("ArrowLeft")
    assert focused(page) == "suggestion-keep"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Escape")
    assert focused(page) == f"suspect-1-{first['start']}"
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    expect(box(page)).to_have_value(f"{RIGHT}\n{VERSE}")
    expect_answer(page, RIGHT, VERSE)
    assert focused(page) == f"suspect-2-{second['start']}"
    page.keyboard.press("Tab")  # past the last mark of the text
    assert focused(page).startswith(("suggestion", "suspect"))


def test_a_kept_character_is_marked_no_more(open_page: Open) -> None:
    page = open_page(TAB)
    found = proofread(page, TEXT)
    found.get_by_role("button", name="真", exact=True).click()
    page.get_by_role("button", name="Keep 真").click()
    expect(found.locator(".suspect")).to_have_count(0)
    expect(box(page)).to_have_value(TEXT)
    proofread(page, TEXT, CALM)
    expect(found.locator(".proofread-line").first.locator(".suspect")).to_have_count(0)


def test_the_level_changes_the_marks_without_another_request(open_page: Open, gateway: Gateway) -> None:
    text = "人生若只如初见，何事秋风悲画扇，等闲变却故人心，却道故人心易变。"
    page = open_page(TAB)
    found = proofread(page, text)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for level in ("many", "few", "normal"):
        page.get_by_label("Marks").select_option(level)
        expect(found.locator(".suspect")).to_have_text([one["token_str"] for one in suspects(gateway, text, level)])
    assert len(suspects(gateway, text, "many")) > len(suspects(gateway, text, "few"))
    assert [url for url in asked if "proofread" in url] == []


def test_only_lines_that_changed_are_asked_again(open_page: Open) -> None:
    page = open_page(TAB)
    proofread(page, TEXT, CALM)
    with page.expect_request("**/v1/proofread") as asked:
        box(page).fill(f"{TEXT}\n{VERSE}")
    assert json.loads(asked.value.post_data or "{}")["inputs"] == [VERSE]
    expect_answer(page, TEXT, VERSE)


def test_a_line_without_its_answer_has_no_marks(open_page: Open) -> None:
    page = open_page(TAB)
    proofread(page, TEXT)
    held = Held(page, "proofread", VERSE)
    box(page).fill(f"{TEXT}\n{VERSE}")
    held.expect()
    lines = answer(page).locator(".proofread-line")
    expect(lines.locator(".sentence")).to_have_text([TEXT, VERSE])
    expect(lines.first.locator(".suspect")).to_have_count(1)
    expect(lines.nth(1).locator(".suspect")).to_have_count(0)
    expect(answer(page)).to_have_attribute("aria-busy", "true")
    held.send()
    expect_answer(page, TEXT, VERSE)
    expect(lines.nth(1).locator(".suspect")).not_to_have_count(0)


def test_a_long_text_is_asked_in_parts_and_in_smaller_ones_where_the_gateway_takes_less(
    open_page: Open, start: Start, serving_url: str
) -> None:
    small = start(serving_url, "--max-proofread-characters=40")
    small.wait_until_ready()
    page = open_page(TAB, at=small, forgive="status of 413")
    lines = [TEXT, VERSE, CALM, RIGHT]
    proofread(page, *lines)
    expect(page.locator("#proofread-problem")).to_be_hidden()
    expect(answer(page).locator(".proofread-line.waiting")).to_have_count(0)


def test_a_line_that_is_refused_has_a_hint_and_the_others_are_marked(open_page: Open) -> None:
    page = open_page(TAB, forgive="status of 400")
    open_tab(page, "Proofread")
    long = "北京" * 150
    box(page).fill(f"{TEXT}\n{long}")
    hint = page.locator("#proofread-hints li[data-kind='too-long']")
    expect(hint).to_contain_text("Line 2: The text is 302 tokens long; the model reads")
    expect_answer(page, TEXT)
    expect(answer(page).locator(".suspect")).to_have_count(1)


def test_a_problem_is_told_in_words(open_page: Open, scripted: Gateway, model: Model) -> None:
    del model
    page = open_page(TAB, at=scripted, forgive="status of 501")
    problem = page.locator("#proofread-problem")
    expect(problem).to_contain_text("The served version of the model cannot answer this kind of question.")


def test_a_link_brings_text_and_level_back(open_page: Open) -> None:
    page = open_page(TAB)
    proofread(page, TEXT, VERSE)
    page.get_by_label("Marks").select_option("few")
    page.wait_for_url("**level=few**")
    page.reload()
    expect_answer(page, TEXT, VERSE)
    expect(page.get_by_label("Marks")).to_have_value("few")
    expect(page.get_by_role("tab", name="Proofread")).to_have_attribute("aria-selected", "true")


def test_examples_have_an_error_to_find(open_page: Open) -> None:
    page = open_page(TAB)
    expect_answer(page, TEXT)  # the first, as the tab was empty
    panel = page.get_by_role("tabpanel", name="Proofread")
    panel.get_by_role("button", name="Similar shape").click()
    expect(answer(page).locator(".suspect").first).to_be_visible()
    panel.get_by_role("button", name="Two verses").click()
    expect(box(page)).to_have_value(f"{VERSE}\n床前明月光，疑是地上双。")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("language", "tab"), [("en", "Proofread"), ("zh", "校对")])
def test_axe_finds_nothing(open_page: Open, language: str, tab: str, *, dark: bool) -> None:
    page = open_page(f"/?lang={language}&tab=proofread", dark=dark)
    for size in ((1280, 900), PHONE):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        found = proofread(page, TEXT, VERSE, tab=tab)
        assert violations(page) == []
        found.locator(".suspect").first.click()
        expect(page.locator("#proofread-card")).to_be_visible()
        assert violations(page) == []


@pytest.mark.parametrize("language", ["en", "zh"])
def test_it_fits_a_phone(open_page: Open, language: str) -> None:
    page = open_page(f"/?lang={language}&tab=proofread", size=PHONE)
    box(page).fill(f"{UNBROKEN}\n{TEXT}")
    expect_answer(page, UNBROKEN, TEXT).locator(".suspect").first.click()
    expect(page.locator("#proofread-card")).to_be_visible()
    expect_fits(page)
    page.evaluate("document.getElementById('tab-classify').hidden = false")
    tops = page.get_by_role("tab").evaluate_all("tabs => tabs.map(tab => tab.getBoundingClientRect().top)")
    assert (len(tops), len(set(tops))) == (5, 1), "the tabs are one row"
    expect_fits(page)
