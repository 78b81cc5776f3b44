"""Test that typed texts survive each way of leaving them."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.deploy.gateway.page.conftest import DESKTOP, Open
from tests.deploy.gateway.page.workbench import SENTENCE, expect_answer, open_tab

PHONE = (375, 667)
LONG = "\n".join(f"{number}：{'今天天气很好，' * 16}真[MASK]。" for number in range(20))
"""More than fits into an address; no line has more tokens than the demonstration model reads."""

NAMES = {
    "en": {"similarity": "Similarity", "fill": "Fill", "dashboard": "Dashboard", "workbench": "Workbench"},
    "zh": {"similarity": "相似度", "fill": "填词", "dashboard": "仪表盘", "workbench": "工作台"},
}


def words(page: Page) -> dict[str, str]:
    """Return names in the page's language."""
    return NAMES[page.evaluate("document.documentElement.lang.slice(0, 2)")]


def undo_an_example(page: Page) -> Page:
    page.locator("[data-example=idiom]").click()
    expect(page.locator("#fill-text")).to_have_value("画[MASK]添[MASK]。")
    page.keyboard.press("Control+z")
    return page


def bring_a_replaced_text_back(page: Page) -> Page:
    for name in ("idiom", "batch"):
        page.locator(f"[data-example={name}]").click()
    page.locator("#fill-examples .back").click()
    expect(page.locator("#fill-examples .back")).to_be_hidden()
    return page


def go_to_the_dashboard_and_back(page: Page) -> Page:
    page.get_by_role("link", name=words(page)["dashboard"]).click()
    expect(page.locator("main[data-language]")).to_be_visible()
    page.go_back()
    return page


def come_back_by_the_dashboards_link(page: Page) -> Page:
    names = words(page)
    page.get_by_role("link", name=names["dashboard"]).click()
    expect(page.locator("main[data-language]")).to_be_visible()
    page.get_by_role("link", name=names["workbench"]).click()
    return page


def reload(page: Page) -> Page:
    page.reload()  # at once: the address bar follows after a pause
    return page


def switch_tabs(page: Page) -> Page:
    for name in ("similarity", "fill"):
        open_tab(page, words(page)[name])
    return page


def switch_language_and_theme(page: Page) -> Page:
    for language in ("zh", "en"):
        page.locator("#language").select_option(language)
        expect(page.locator("html")).to_have_attribute("lang", re.compile(f"^{language}"))
    page.locator("#theme").select_option("dark")
    return page


def close_and_open_again(page: Page) -> Page:
    address = re.sub(r"\?.*", "", page.url)
    context = page.context
    page.close(run_before_unload=False)
    again = context.new_page()
    again.goto(address)
    return again


WAYS = (
    undo_an_example,
    bring_a_replaced_text_back,
    go_to_the_dashboard_and_back,
    come_back_by_the_dashboards_link,
    reload,
    switch_tabs,
    switch_language_and_theme,
    close_and_open_again,
)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize(("size", "language"), [(DESKTOP, "en"), (PHONE, "zh")], ids=["desktop", "phone"])
def test_a_typed_text_survives(
    open_page: Open, way: Callable[[Page], Page], size: tuple[int, int], language: str
) -> None:
    page = open_page(f"/?lang={language}", size=size, locale={"en": "en-US", "zh": "zh-CN"}[language])
    page.locator("#fill-text").fill(LONG)
    page = way(page)
    expect(page.locator("#fill-text")).to_have_value(LONG)
    expect_answer(page, *LONG.split("\n"))


def test_the_texts_of_all_tabs_survive_a_reload(open_page: Open) -> None:
    page = open_page()
    page.locator("#fill-text").fill(SENTENCE)
    open_tab(page, "Similarity")
    page.locator("#similarity-first").fill("今天下雨。")
    page.locator("#similarity-second").fill("今天天晴。")
    open_tab(page, "Proofread")
    page.locator("#proofread-text").fill("今天天汽很好。")
    open_tab(page, "Features")
    page.locator("#features-text").fill("写了一半")
    page.reload()
    expect(page.get_by_role("tab", name="Features")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#features-text")).to_have_value("写了一半")
    open_tab(page, "Similarity")
    expect(page.locator("#similarity-first")).to_have_value("今天下雨。")
    expect(page.locator("#similarity-second")).to_have_value("今天天晴。")
    open_tab(page, "Proofread")
    expect(page.locator("#proofread-text")).to_have_value("今天天汽很好。")
    open_tab(page, "Fill")
    expect(page.locator("#fill-text")).to_have_value(SENTENCE)


def test_a_link_shows_its_own_text_and_the_draft_comes_back_afterwards(open_page: Open) -> None:
    page = open_page()
    page.locator("#fill-text").fill(SENTENCE)
    page.wait_for_url("**text=**")
    linked = f"{re.sub(r'[?].*', '', page.url)}?lang=en&tab=fill&text=%5BMASK%5D%E5%A5%BD"
    page.goto(linked)
    expect(page.locator("#fill-text")).to_have_value("[MASK]好")
    page.go_back()
    expect(page.locator("#fill-text")).to_have_value(SENTENCE)


def test_a_damaged_draft_is_ignored(open_page: Open) -> None:
    page = open_page()
    address = re.sub(r"\?.*", "?lang=en", page.url)
    for draft in ("{", "null", "[]", '{"view": 1}', '{"view": {"tab": "nothing", "text": 5, "topK": "many"}}'):
        other = page.context.new_page()
        other.add_init_script(f"localStorage.setItem('draft', {draft!r})")
        other.goto(address)
        expect(other.get_by_role("tab", name="Fill")).to_have_attribute("aria-selected", "true")
        expect(other.locator("#fill-text")).to_have_value(re.compile(r"\[MASK\]"))
        expect(other.locator("#fill-top-k")).to_have_value("5")
        other.close()
