"""Test that the dashboard refreshes without moving the reader."""

import pytest
from playwright.sync_api import Page, Route, expect

from deploy.gateway.dashboard.page import REFRESH_S
from deploy.gateway.dashboard.words import CHINESE, ENGLISH
from tests.deploy.gateway.conftest import SENTENCE, Gateway
from tests.deploy.gateway.page.conftest import Open

ADDRESS = "/dashboard?since=1h&lang=en"
PHONE = (390, 700)


@pytest.fixture
def gateway(shared: Gateway) -> Gateway:
    """Return a gateway with the scripted model."""
    return shared


def answer_refresh(route: Route) -> None:
    """Answer a refresh with a report that has another paragraph."""
    body = route.fetch().text()
    route.fulfill(body=body.replace("</article>", '<p id="fresh">fresh</p></article>'), content_type="text/html")


def open_with_clock(open_page: Open, gateway: Gateway) -> Page:
    """Open the dashboard on a phone, with a clock that the test moves."""
    gateway.answer("/predict", {"text": SENTENCE})
    gateway.wait_until_ready()
    page = open_page(ADDRESS, size=PHONE, forgive="Failed to load|net::ERR")
    page.clock.install()
    page.reload()
    expect(page.get_by_role("checkbox", name=ENGLISH.refresh.format(seconds=REFRESH_S))).to_be_checked()
    return page


def test_new_figures_come_and_the_reader_stays_where_he_is(open_page: Open, gateway: Gateway) -> None:
    page = open_with_clock(open_page, gateway)
    section = page.get_by_role("region", name="Requests a day")
    chart = section.get_by_role("slider")
    chart.focus()
    chart.press("Home")
    page.evaluate("scrollBy(0, 30)")
    position = "[scrollY, document.activeElement.getAttribute('aria-label')]"
    before, said = page.evaluate(position), chart.get_attribute("aria-valuetext")
    assert said
    page.route("**/dashboard?*", answer_refresh)
    page.clock.run_for(REFRESH_S * 1000 + 2000)
    expect(page.locator("#fresh")).to_have_text("fresh")
    assert page.evaluate(position) == before
    assert before == [before[0], "Requests a day"]
    assert before[0] > 0
    expect(chart).to_have_attribute("aria-valuetext", said)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("width", [320, 360, 390, 768, 1280])
def test_charts_are_seen_whole_at_any_width(open_page: Open, gateway: Gateway, width: int, language: str) -> None:
    gateway.answer("/predict", {"text": SENTENCE})
    page = open_page(f"/dashboard?since=1h&lang={language}", size=(width, 700))
    expect(page.locator(".plot canvas").first).to_be_visible()
    drawn = page.locator(".plot canvas").evaluate_all(
        """pictures => pictures.map((picture) => {
          const places = [picture, picture.closest("section"), picture.closest("figure")];
          const [box, around, figure] = places.map((one) => one.getBoundingClientRect());
          return [box.left >= around.left, box.right <= around.right, box.width > 0.7 * figure.width];
        })"""
    )
    titles = page.locator(".plot").evaluate_all("figures => figures.map((figure) => figure.dataset.title)")
    assert len(titles) == len(set(titles)) == len(drawn) >= 3
    assert drawn == [[True, True, True]] * len(drawn)


def test_a_gateway_that_does_not_answer_is_said_and_the_figures_stay(open_page: Open, gateway: Gateway) -> None:
    page = open_with_clock(open_page, gateway)
    page.route("**/dashboard?*", lambda route: route.abort())
    page.clock.run_for(REFRESH_S * 1000 + 2000)
    expect(page.locator("#not-updated")).to_contain_text("the gateway does not answer")
    expect(page.get_by_role("region", name="Requests a day")).to_be_visible()
    page.unroute("**/dashboard?*")
    page.clock.run_for(REFRESH_S * 1000 + 2000)
    expect(page.locator("#not-updated")).to_be_empty()
    expect(page.locator("#updated")).to_contain_text("Updated at")


def test_the_box_stops_it(open_page: Open, gateway: Gateway) -> None:
    page = open_with_clock(open_page, gateway)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.get_by_role("checkbox").uncheck()
    page.clock.run_for(3 * REFRESH_S * 1000)
    assert not [url for url in asked if "dashboard" in url]


def test_the_switches_change_language_and_theme(open_page: Open) -> None:
    page = open_page("/dashboard?since=7d")
    expect(page.get_by_role("heading", level=1)).to_have_text(ENGLISH.dashboard)
    page.get_by_label(ENGLISH.language).select_option("zh")
    expect(page.get_by_role("heading", level=1)).to_have_text(CHINESE.dashboard)
    assert "since=7d" in page.url
    assert "lang=zh" in page.url
    page.wait_for_load_state()  # the switches of the new page have their scripts
    value = page.locator(".tile-value").first

    def colour() -> str:
        return str(value.evaluate("element => getComputedStyle(element).color"))

    page.get_by_label(CHINESE.theme).select_option("light")
    light = colour()
    page.get_by_label(CHINESE.theme).select_option("dark")
    assert (light, colour()) == ("rgb(33, 31, 28)", "rgb(236, 235, 231)")


def test_a_language_that_was_chosen_on_the_workbench_counts_here(open_page: Open) -> None:
    page = open_page("/", forgive="501")  # the scripted model cannot explain
    page.get_by_label(ENGLISH.language).select_option("zh")
    page.get_by_role("link", name=CHINESE.dashboard).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(CHINESE.dashboard)


def test_the_form_asks_for_a_range_of_its_own(open_page: Open) -> None:
    page = open_page(ADDRESS)
    page.get_by_text(ENGLISH.own_range).click()
    page.get_by_label(ENGLISH.since, exact=True).fill("2026-04-05T10:00")
    page.get_by_label(ENGLISH.until, exact=True).fill("2026-04-05T12:00")
    page.get_by_label(ENGLISH.zone).fill("Asia/Shanghai")
    page.get_by_role("button", name=ENGLISH.show).click()
    expect(page.get_by_text("2026-04-05 10:00 to 2026-04-05 12:00 (Asia/Shanghai)")).to_be_visible()
    expect(page.get_by_role("checkbox")).to_be_hidden()
