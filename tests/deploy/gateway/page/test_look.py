"""Test the page on a phone, in both languages, light and dark."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.deploy.gateway.conftest import Gateway
from tests.deploy.gateway.page.conftest import Open
from tests.deploy.gateway.page.workbench import AMBIGUOUS, SENTENCE, TWO_MASKS, answer, ask, open_tab, text_box

TABS = {
    "en": ("Fill", "Proofread", "Similarity", "Features"),
    "zh": ("填词", "校对", "相似度", "特征向量"),
}
UNBROKEN = "a" * 90

# What people wrote and the model answered, unless it is quoted; what is marked as another language counts as such, too.
_CONTENT = (
    "textarea, pre, .sentence, .token, .lean-token, .candidates, .label, .values, [data-example], #announcement, "
    "#model-identity, .editor-text, noscript, script"
)
_WORDS = """(content) => {
  const words = [document.title];
  const skip = (element) => {
    const marked = element.closest("[lang]").lang.slice(0, 2);
    return element.closest(content) || marked !== document.documentElement.lang.slice(0, 2);
  };
  for (const element of document.querySelectorAll("*")) {
    if (skip(element)) continue;
    for (const name of ["aria-label", "title", "placeholder", "alt", "aria-description", "aria-roledescription"]) {
      if (element.hasAttribute(name)) words.push(element.getAttribute(name));
    }
    for (const node of element.childNodes) if (node.nodeType === Node.TEXT_NODE) words.push(node.textContent);
  }
  return words.map((word) => word.replaceAll(/“[^”]*”/g, "").trim()).filter(Boolean);
}"""
_LINES = """(elements) => elements.map((element) => {
  const words = document.createRange();
  words.selectNodeContents(element);
  return words.getClientRects().length;
})"""
_HAN = re.compile(r"[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]")
_LATIN = re.compile(r"[A-Za-z]{2,}")
_INTERNATIONAL = {
    "MASK",
    "API",
    "JSON",
    "JSONL",
    "CSV",
    "curl",
    "Python",
    "BERT",
    "CLS",
    "ms",
    "Ctrl",
    "Cmd",
    "Alt",
    "Enter",
    "Tab",
    "Home",
    "End",
    "Esc",
}


def expect_fits(page: Page) -> None:
    """Check that nothing overflows horizontally."""
    too_wide = page.evaluate(
        """() => {
          const width = document.documentElement.clientWidth;
          if (document.documentElement.scrollWidth <= width) return [];
          return [...document.querySelectorAll("body *")]
            .filter((one) => one.getBoundingClientRect().right > width + 0.5)
            .map((one) => `${one.tagName}#${one.id}.${one.className}`);
        }"""
    )
    assert too_wide == []


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("width", [320, 375])
def test_nothing_sticks_out_on_a_phone(open_page: Open, width: int, language: str) -> None:
    page = open_page(f"/?lang={language}", size=(width, 640))
    box, found = page.locator("#fill-text"), answer(page)
    for lines in ([SENTENCE], [AMBIGUOUS], [TWO_MASKS], [SENTENCE, TWO_MASKS], [f"{UNBROKEN}[MASK]"]):
        box.fill("\n".join(lines))
        expect(found).to_have_attribute("data-text", re.compile(re.escape(lines[-1][-12:])))
        expect(found).to_have_attribute("aria-busy", "false")
        expect_fits(page)
    box.fill(f"今天[mask]气真好。\n{UNBROKEN}")
    expect(page.locator("#fill-hints li[data-kind]")).to_have_count(2)
    expect_fits(page)
    panel = open_tab(page, TABS[language][2])
    for one in panel.get_by_role("textbox").all():
        one.fill(UNBROKEN)
    page.locator("#similarity-ask").click()
    expect(panel.get_by_role("meter")).to_be_visible()
    expect_fits(page)
    panel = open_tab(page, TABS[language][3])
    panel.get_by_role("textbox").fill(UNBROKEN)
    page.locator("#features-ask").click()
    expect(panel.locator(".text-vector")).to_have_count(1)
    expect_fits(page)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_tab_is_broken_into_two_lines_on_a_phone(open_page: Open, language: str) -> None:
    page = open_page(f"/?lang={language}", size=(320, 640))
    for name in TABS[language]:
        open_tab(page, name)
        assert page.get_by_role("tab").evaluate_all(_LINES) == [1, 1, 1, 1], name
        expect_fits(page)


def test_the_answer_is_on_a_phones_first_screen(open_page: Open) -> None:
    page = open_page(size=(375, 667))
    ask(page, SENTENCE)
    expect(answer(page).locator(".filled")).to_be_in_viewport()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_word_of_the_other_language_is_left(open_page: Open, language: str) -> None:
    page = open_page(f"/?lang={language}")
    expect(page.locator("html")).to_have_attribute("lang", {"en": "en", "zh": "zh-CN"}[language])
    seen: list[str] = []
    for lines in ([AMBIGUOUS], [TWO_MASKS], [SENTENCE, TWO_MASKS], [SENTENCE]):
        page.locator("#fill-text").fill("\n".join(lines))
        expect(answer(page)).to_have_attribute("data-text", re.compile(re.escape(lines[-1])))
        expect(answer(page)).to_have_attribute("aria-busy", "false")
        seen += page.evaluate(_WORDS, _CONTENT)
    for lines in (
        ["无", "[MASK", "MASK]", "[mask]", "［MASK］"],
        ["［ＭＡＳＫ］", "MASK]", "[mask]", "［MASK］", "无"],
        ["\u0007[MASK]", "[MASK", "[MASK", "[MASK", "[MASK", "[MASK"],
    ):
        page.locator("#fill-text").fill("\n".join(lines))
        expect(page.locator("#fill-hints li[data-kind]")).to_have_count(5)
        seen += page.evaluate(_WORDS, _CONTENT)
    for name in TABS[language][1:]:
        open_tab(page, name)
        seen += page.evaluate(_WORDS, _CONTENT)
    if language == "en":
        left = sorted({words for words in seen if _HAN.search(words)})
    else:
        left = sorted({word for words in seen for word in _LATIN.findall(words)} - _INTERNATIONAL)
    assert left == [], left


def test_the_browsers_language_is_the_pages_until_somebody_chooses(open_page: Open) -> None:
    page = open_page("/", locale="zh-CN")
    expect(page.get_by_role("heading", level=1)).to_have_text("填词工作台")
    page.get_by_role("combobox", name="语言").select_option("en")
    expect(page.get_by_role("heading", level=1)).to_have_text("Fill-mask workbench")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.goto(page.url.partition("?")[0])
    expect(page.get_by_role("heading", level=1)).to_have_text("Fill-mask workbench")
    expect(open_page("/", locale="fr-FR").get_by_role("heading", level=1)).to_have_text("Fill-mask workbench")


def test_both_languages_have_words_for_the_same_things(open_page: Open) -> None:
    keys = open_page().evaluate(
        """async () => {
          const { WORDS } = await import("/page/words.js");
          return Object.fromEntries(Object.entries(WORDS).map(([language, words]) => [language, Object.keys(words)]));
        }"""
    )
    assert keys["en"] == keys["zh"]
    assert len(keys["en"]) > 30


def background(page: Page) -> int:
    """Return how light the page is, from 0 to 255."""
    colour: str = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return max(int(part) for part in re.findall(r"\d+", colour)[:3])


def test_the_page_is_as_light_or_dark_as_the_system_until_somebody_chooses(open_page: Open) -> None:
    page = open_page(dark=True)
    assert background(page) < 64
    page.emulate_media(color_scheme="light")
    assert background(page) > 192
    page.get_by_role("combobox", name="Theme").select_option("dark")
    assert background(page) < 64
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert background(page) < 64
    page.get_by_role("combobox", name="Theme").select_option("auto")
    assert background(page) > 192


def test_a_browser_without_scripts_is_told_what_is_missing(browser: Browser, gateway: Gateway) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(gateway.url)
        expect(page.locator("noscript")).to_be_visible()
        expect(page.locator("noscript").get_by_role("link", name="docs")).to_have_attribute("href", "docs")


def test_text_can_be_twice_as_large(open_page: Open) -> None:
    page = open_page(size=(640, 480))  # 1280 x 960 at 200 %: WCAG 2.2, 1.4.4
    ask(page, TWO_MASKS)
    expect_fits(page)
    expect(text_box(page)).to_be_visible()
