"""Check the accessibility of all views with axe-core and own rules."""

from collections.abc import Callable
from importlib.resources import files

import pytest
from playwright.sync_api import Page, expect

from tests.deploy.gateway.conftest import Gateway
from tests.deploy.gateway.page.conftest import Open
from tests.deploy.gateway.page.workbench import AMBIGUOUS, GUESSWORK, SENTENCE, TWO_MASKS, answer

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_AXE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
_RUN = "tags => axe.run(document, { runOnly: tags, resultTypes: ['violations'] }).then(({ violations }) => violations)"
_SETTLED = """() => {
  const isMoving = (one) => one.playState === "running" && one.effect.getComputedTiming().endTime !== Infinity;
  const busy = [...document.querySelectorAll('.answer[aria-busy="true"]')];
  return !busy.some((one) => one.checkVisibility()) && !document.getAnimations().some(isMoving);
}"""


def violations(page: Page) -> list[str]:
    """Run axe-core on the page once no answer is dimmed."""
    page.wait_for_function(_SETTLED)
    if not page.evaluate("'axe' in window"):
        page.evaluate(f"{_AXE};0")
    found = page.evaluate(_RUN, TAGS)
    return [f"{one['id']}: {one['help']}: {[node['html'] for node in one['nodes']]}" for one in found]


def fill_with(*lines: str) -> Callable[[Page], None]:
    def act(page: Page) -> None:
        page.locator("#fill-text").fill("\n".join(lines))
        expect(answer(page)).to_have_attribute("aria-busy", "false")
        expect(answer(page).locator(".filled").first).to_be_visible()

    return act


def explained(page: Page) -> None:
    fill_with(SENTENCE)(page)
    expect(page.locator("mark.lean")).to_have_count(3)


def unfolded(page: Page) -> None:
    fill_with(SENTENCE, TWO_MASKS)(page)
    for line in page.locator("ol.batch > li").all():
        line.locator("summary").first.click()
        expect(line.locator(".legend").first).to_be_visible()
    page.locator(".each summary").click()
    expect(page.locator("section.mask").first).to_be_visible()


def guesswork(page: Page) -> None:
    fill_with(GUESSWORK)(page)
    expect(page.locator(".whole .ambiguous")).to_be_visible()


def with_hints(page: Page) -> None:
    page.locator("#fill-text").fill("没有\n[MASK\n[mask]\n［MASK］")
    expect(page.locator("#fill-hints li[data-kind]")).to_have_count(4)


def with_a_problem(page: Page) -> None:
    page.route("**/v1/fill-mask", lambda route: route.fulfill(status=401, json={"error": "a key"}), times=1)
    page.locator("#fill-text").fill(AMBIGUOUS)
    expect(page.locator("#fill-problem")).to_be_visible()


def shortcuts(page: Page) -> None:
    page.keyboard.press("Escape")
    page.locator("#tab-fill").focus()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()


def similarity(page: Page) -> None:
    page.keyboard.press("Escape")
    page.locator("#tab-similarity").click()
    page.locator("#similarity-first").fill("今天天气真好。")
    page.locator("#similarity-second").fill("今天天气不错。")
    page.locator("#similarity-ask").click()
    expect(page.get_by_role("meter")).to_be_visible()


def features(page: Page) -> None:
    page.locator("#tab-features").click()
    page.locator("#features-text").fill("今天天气真好。\n今天天气不错。")
    page.locator("#features-ask").click()
    expect(page.locator(".text-vector")).to_have_count(2)
    figures = page.locator("details.figures")
    if not figures.evaluate("one => one.open"):
        figures.locator("summary").click()
    expect(page.locator(".text-vector").first).to_be_visible()


VIEWS = {
    "explained": explained,
    "ambiguous": fill_with(AMBIGUOUS),
    "several masks": fill_with(TWO_MASKS),
    "batch": fill_with(SENTENCE, TWO_MASKS),
    "unfolded": unfolded,
    "guesswork": guesswork,
    "hints": with_hints,
    "problem": with_a_problem,
    "shortcuts": shortcuts,
    "similarity": similarity,
    "features": features,
}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_axe_finds_nothing_in_any_view(open_page: Open, language: str, *, dark: bool) -> None:
    page = open_page(f"/?lang={language}", dark=dark, forgive="status of 401")
    found = []
    for name, view in VIEWS.items():
        view(page)
        found += [f"{name}: {one}" for one in violations(page)]
    assert found == []


def test_axe_finds_nothing_on_a_phone(open_page: Open) -> None:
    page = open_page(size=(320, 640))
    for name in ("explained", "several masks", "unfolded", "similarity", "features"):
        VIEWS[name](page)
        page.evaluate("scrollTo(0, 0)")  # a target that is partly below the sticky text box counts as too small
        assert violations(page) == [], name


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_axe_finds_nothing_on_the_dashboard(open_page: Open, gateway: Gateway, language: str, *, dark: bool) -> None:
    gateway.answer("/v1/fill-mask", {"inputs": SENTENCE})
    page = open_page(f"/dashboard?lang={language}", dark=dark)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    for width in (1280, 320):
        page.set_viewport_size({"width": width, "height": 800})
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
