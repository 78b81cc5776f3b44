"""Test the dashboard's tiles, charts, tables and log lines in a browser."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from deploy.gateway.dashboard.words import CHINESE, ENGLISH, PAGE_WORDS, Language, PageWords
from deploy.gateway.report import words as report_words
from deploy.gateway.report.words import WORDS
from tests.client.scripted import ScriptedModel, grpc_server
from tests.deploy.gateway.conftest import SENTENCE, Gateway, wait_until
from tests.deploy.gateway.page.conftest import Open
from tests.deploy.gateway.page.test_accessibility import violations
from tests.deploy.gateway.report.generate import log_lines, write
from tests.support.gateway import gateway_in_thread

DAY = "/dashboard?since=24h&lang=en"
PHONE = (390, 800)
NARROWEST = (320, 640)
PRIVATE, MASKED = "联系电话13812345678，请尽快回[MASK]。", "联系电话[PHONE]，请尽快回[MASK]。"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Return a gateway with the log of sixty hours."""
    folder = tmp_path_factory.mktemp("sixty-hours")
    (folder / "kept").mkdir()
    now = datetime.now(UTC)
    write(log_lines(4_000, now - timedelta(hours=60), now), folder / "kept" / "gateway.log")
    with grpc_server(ScriptedModel()) as url, gateway_in_thread(folder, url, f"--log-folder={folder / 'kept'}") as one:
        one.wait_until_ready()
        yield one


def chart(page: Page, title: str) -> Locator:
    """Return a chart that is drawn."""
    found = page.get_by_role("slider", name=title, exact=True)
    expect(found.locator("canvas")).to_be_visible()
    return found


def area(page: Page, title: str) -> Locator:
    """Return the part of a chart between its axes."""
    return chart(page, title).locator(".u-over")


def figure_of(page: Page, title: str) -> Locator:
    return page.locator("figure", has=page.get_by_role("slider", name=title, exact=True))


def tile(page: Page, name: str) -> Locator:
    return page.get_by_role("listitem", name=name, exact=True)


def parameters(page: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def places(elements: Locator) -> list[tuple[int, int]]:
    found: list[list[float]] = elements.evaluate_all(
        "all => all.map((one) => one.getBoundingClientRect()).map(({ left, top }) => [left, top + scrollY])"
    )
    return [(round(left), round(top)) for left, top in found]


@pytest.mark.parametrize(
    ("language", "size", "columns"), [("en", (1280, 900), (4, 2)), ("en", (800, 900), (2, 1)), ("zh", PHONE, (2, 1))]
)
def test_tiles_and_sections_stand_in_columns(
    open_page: Open, gateway: Gateway, language: Language, size: tuple[int, int], columns: tuple[int, int]
) -> None:
    page = open_page(f"/dashboard?since=24h&lang={language}", at=gateway, size=size)
    words, names = WORDS[language], PAGE_WORDS[language]
    chart(page, words.latency)
    titles = [words.requests, names.latency_p95, words.failed, words.of_threshold.format(name=words.drift)]
    assert page.locator(".tile-name").all_inner_texts() == titles
    lefts = [{left for left, _ in places(page.locator(one))} for one in (".tile", "section:not(.both)")]
    assert tuple(map(len, lefts)) == columns
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    for change in page.locator(".tile-change").all_inner_texts()[:2]:
        assert re.fullmatch(names.change.replace("{change}", r"[+−]\d+%") + f"|{names.unchanged}", change), change
    for line in page.locator(".sparkline path").all():
        assert (line.get_attribute("d") or "").count("L") > 50


def test_the_range_at_the_start_is_that_of_a_young_log(open_page: Open, gateway: Gateway, shared: Gateway) -> None:
    page = open_page("/dashboard?lang=en", at=gateway)  # a log of sixty hours: its last day
    expect(page.get_by_role("link", name=ENGLISH.fitted)).to_have_attribute("aria-current", "true")
    since, until = (datetime.fromisoformat(page.locator("article").get_attribute(f"data-{one}") or "") for one in ENDS)
    assert timedelta(hours=24) <= until - since < timedelta(hours=24, minutes=1)
    shared.answer("/predict", {"text": SENTENCE})
    first = datetime.fromisoformat(shared.lines()[0]["timestamp"])
    page = open_page("/dashboard?lang=en", at=shared)
    since, until = (datetime.fromisoformat(page.locator("article").get_attribute(f"data-{one}") or "") for one in ENDS)
    assert since <= first
    assert until - since < timedelta(hours=1)
    assert page.get_by_label(ENGLISH.since, exact=True).input_value() == f"{since:%Y-%m-%dT%H:%M}"


ENDS = ("since", "until")


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "America/New_York"])
def test_times_are_those_of_the_browser(open_page: Open, gateway: Gateway, zone: str) -> None:
    asked: list[str] = []
    page = open_page(DAY, at=gateway, zone=zone)
    expect(page.locator("article")).to_have_attribute("data-timezone", zone)
    expect(page.locator("article .span")).to_contain_text(f"({zone})")
    assert "timezone" not in page.url
    page.on("request", lambda request: asked.append(request.url))
    page.goto(gateway.url + DAY)
    chart(page, report_words.ENGLISH.latency)
    assert len([url for url in asked if url.endswith(DAY)]) == 1  # the cookie names the zone
    chart(page, report_words.ENGLISH.latency).press("End")
    said = chart(page, report_words.ENGLISH.latency).get_attribute("aria-valuetext") or ""
    now = page.evaluate("new Date().toLocaleString('en-CA', { month: '2-digit', day: '2-digit' })")
    assert said.startswith((f"{now} ", now.split(",")[0]))
    page.goto(f"{gateway.url}{DAY}&timezone=UTC")  # an address that names a zone is that of a colleague
    expect(page.locator("article .span")).to_contain_text("(UTC)")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_crosshair_shows_the_values_of_all_charts(open_page: Open, gateway: Gateway, language: Language) -> None:
    page = open_page(f"/dashboard?since=24h&lang={language}", at=gateway)
    words, names = WORDS[language], PAGE_WORDS[language]
    area(page, words.latency).hover(position={"x": 200, "y": 60})
    latency, calls = figure_of(page, words.latency), figure_of(page, words.calls_per_minute)
    expect(latency.locator(".time")).to_have_text(re.compile(r"\d\d-\d\d \d\d:\d\d"))
    for one in latency.locator(".legend .value").all():
        expect(one).to_have_text(re.compile(r"^[\d.,]+$"))
    expect(calls.locator(".time")).to_have_text(latency.locator(".time").inner_text())  # the same moment everywhere
    at = latency.locator(".time").inner_text().split()[1]
    expect(latency.get_by_role("link")).to_have_text(names.lines_at.format(time=at))


def test_the_keyboard_moves_the_crosshair_and_opens_its_lines(open_page: Open, gateway: Gateway) -> None:
    page = open_page(DAY, at=gateway)
    slider = chart(page, report_words.ENGLISH.calls_per_minute)
    slider.press("End")
    expect(slider).to_have_attribute("aria-valuenow", slider.get_attribute("aria-valuemax") or "")
    slider.press("ArrowLeft")
    expect(slider).to_have_attribute("aria-valuenow", str(int(slider.get_attribute("aria-valuemax") or 0) - 1))
    expect(slider).to_have_attribute("aria-valuetext", re.compile(r"\d\d:\d\d, Success [\d.]+, Low confidence"))
    slider.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(ENGLISH.lines)
    assert "status" not in parameters(page)


def test_dragging_shows_a_shorter_range_and_back_the_longer_one(open_page: Open, gateway: Gateway) -> None:
    page = open_page(DAY, at=gateway)
    before = tile(page, "Requests").inner_text()
    box = area(page, report_words.ENGLISH.latency).bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 60, steps=4)
    page.mouse.up()
    page.wait_for_url(re.compile("until="))
    chart(page, report_words.ENGLISH.latency)
    since, until = (datetime.fromisoformat(parameters(page)[name]) for name in ENDS)
    assert timedelta(hours=5.5) < until - since < timedelta(hours=6.6)
    assert tile(page, "Requests").inner_text() != before
    expect(page.locator("#plot-latency")).to_be_in_viewport()
    page.go_back()
    chart(page, report_words.ENGLISH.latency)
    assert "until" not in page.url


def test_a_click_on_a_bar_opens_its_lines_as_they_are_in_the_log(open_page: Open, shared: Gateway) -> None:
    shared.answer("/predict", {"text": PRIVATE})
    wait_until(lambda: any(one.get("input_text") == MASKED for one in shared.lines(module="inference")))
    page = open_page("/dashboard?since=24h&lang=en", at=shared)
    slider = chart(page, report_words.ENGLISH.calls_per_minute)
    slider.press("End")
    over = area(page, report_words.ENGLISH.calls_per_minute)
    box = over.bounding_box()
    assert box
    over.click(position={"x": box["width"] - 3, "y": box["height"] - 3})
    page.wait_for_url(re.compile("dashboard/lines"))
    assert parameters(page).items() >= {"module": "inference", "status": "success", "without": "explanation"}.items()
    row = page.get_by_role("row", name=re.compile(re.escape(MASKED))).first
    expect(row).to_contain_text("Fill in words")
    row.get_by_text("JSON").click()
    expect(row.locator("code")).to_contain_text('"task":"mask_prediction"')
    assert "13812345678" not in page.content()
    page.get_by_role("link", name=ENGLISH.back).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(ENGLISH.dashboard)


def test_an_error_a_task_and_a_process_lead_to_their_lines(open_page: Open, gateway: Gateway) -> None:
    page = open_page("/dashboard?since=7d&lang=en", at=gateway)
    errors = page.get_by_role("table", name=report_words.ENGLISH.errors)
    errors.get_by_role("link", name="INVALID_ARGUMENT").click()
    expect(page.get_by_role("cell", name=re.compile("INVALID_ARGUMENT")).first).to_be_visible()
    page.go_back()
    page.get_by_role("table", name=report_words.ENGLISH.latency).get_by_role("link", name="Score words").click()
    expect(page.get_by_role("row")).to_have_count(201)
    assert set(page.locator("tbody td:nth-child(2)").all_inner_texts()) == {"Score words"}
    page.go_back()
    cpu = area(page, report_words.ENGLISH.cpu)
    box = cpu.bounding_box()
    assert box
    cpu.click(position={"x": box["width"] * 0.9, "y": 3})  # the server's line is the upper one
    page.wait_for_url(re.compile("dashboard/lines"))
    assert parameters(page).items() >= {"module": "resource", "process": "server"}.items()


@pytest.mark.parametrize(("language", "names"), [("en", ENGLISH), ("zh", CHINESE)])
def test_a_finger_sees_the_values_and_has_a_link_to_the_lines(
    open_page: Open, gateway: Gateway, language: Language, names: PageWords
) -> None:
    page = open_page(f"/dashboard?since=24h&lang={language}", at=gateway, size=PHONE)
    title = WORDS[language].latency
    area(page, title).scroll_into_view_if_needed()
    area(page, title).evaluate(
        """(over) => {
          const { left, top } = over.getBoundingClientRect();
          const at = { bubbles: true, clientX: left + 90, clientY: top + 40 };
          over.dispatchEvent(new PointerEvent("pointerdown", { ...at, pointerType: "touch" }));
          over.dispatchEvent(new MouseEvent("mousemove", at));
          over.dispatchEvent(new MouseEvent("click", at));
        }"""
    )
    link = figure_of(page, title).get_by_role("link")
    expect(link).to_be_visible()
    assert "/dashboard?" in page.url
    link.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(names.lines)


class Touches:
    """Touches of a page's screen."""

    def __init__(self, page: Page) -> None:
        self._session = page.context.new_cdp_session(page)  # one, which knows the fingers that are down

    def send(self, kind: str, *points: tuple[float, float]) -> None:
        at = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
        self._session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Move a finger without lifting it."""
        self.send("touchStart", start)
        for step in range(1, 9):
            x, y = (a + (b - a) * step / 8 for a, b in zip(start, end, strict=True))
            self.send("touchMove", (x, y))

    def end(self) -> None:
        self.send("touchEnd")


def test_a_finger_moved_sideways_shows_a_shorter_range(open_page: Open, gateway: Gateway) -> None:
    page = open_page(DAY, at=gateway, size=PHONE, touch=True)
    over = area(page, report_words.ENGLISH.latency)
    over.scroll_into_view_if_needed()
    box = over.bounding_box()
    assert box
    y = box["y"] + 60
    touches = Touches(page)
    touches.drag((box["x"] + box["width"] * 0.5, y), (box["x"] + box["width"] * 0.25, y + 6))
    expect(over.locator(".u-select")).to_have_css("width", re.compile(r"[1-9]"))
    touches.end()
    page.wait_for_url(re.compile("until="))
    chart(page, report_words.ENGLISH.latency)
    since, until = (datetime.fromisoformat(parameters(page)[name]) for name in ENDS)
    assert timedelta(hours=5.5) < until - since < timedelta(hours=6.6)


def test_a_finger_moved_up_scrolls_the_page_and_selects_nothing(open_page: Open, gateway: Gateway) -> None:
    page = open_page(DAY, at=gateway, size=PHONE, touch=True)
    over = area(page, report_words.ENGLISH.latency)
    over.scroll_into_view_if_needed()
    box, before = over.bounding_box(), page.evaluate("scrollY")
    assert box
    x = box["x"] + box["width"] * 0.5
    touches = Touches(page)
    touches.drag((x, box["y"] + box["height"] - 10), (x + 15, box["y"] - 120))
    touches.end()
    page.wait_for_function("before => scrollY > before + 100", arg=before)
    expect(over.locator(".u-select")).to_have_css("width", "0px")
    assert "until" not in page.url


def test_a_second_finger_ends_the_selection(open_page: Open, gateway: Gateway) -> None:
    page = open_page(DAY, at=gateway, size=PHONE, touch=True)
    over = area(page, report_words.ENGLISH.latency)
    over.scroll_into_view_if_needed()
    box = over.bounding_box()
    assert box
    x, y = box["x"] + 40, box["y"] + 60
    touches = Touches(page)
    touches.drag((x, y), (x + 100, y))
    expect(over.locator(".u-select")).not_to_have_css("width", "0px")
    touches.send("touchStart", (x + 100, y), (x + 20, y + 40))
    touches.end()
    expect(over.locator(".u-select")).to_have_css("width", "0px")
    assert "until" not in page.url


def test_a_tap_reads_the_values(open_page: Open, gateway: Gateway) -> None:
    page = open_page(DAY, at=gateway, size=PHONE, touch=True)
    over = area(page, report_words.ENGLISH.latency)
    over.tap(position={"x": 90, "y": 40})
    expect(figure_of(page, report_words.ENGLISH.latency).get_by_role("link")).to_be_visible()
    assert "until" not in page.url


@pytest.mark.parametrize("language", ["en", "zh"])
def test_tasks_have_names_for_people_and_drift_is_a_percentage(
    open_page: Open, gateway: Gateway, language: Language
) -> None:
    page = open_page(f"/dashboard?since=7d&lang={language}", at=gateway)
    words = WORDS[language]
    shown = page.locator("#report").inner_text()
    for task in ("mask_prediction", "token_scoring", "semantic_similarity", "feature_extraction"):
        assert words.task_name(task) in shown
        assert task not in shown
    drift = tile(page, words.of_threshold.format(name=words.drift)).locator(".tile-value").inner_text()
    assert re.fullmatch(r"[34]\d\d%", drift)
    expect(page.get_by_role("table", name=words.consistency)).to_contain_text(drift)
    slider = chart(page, words.of_threshold.format(name=words.consistency))
    slider.press("End")
    expect(slider).to_have_attribute("aria-valuetext", re.compile(f"{words.threshold} 100$"))


@pytest.mark.parametrize(("language", "size"), [("en", NARROWEST), ("zh", NARROWEST), ("zh", PHONE)])
def test_tables_fit_a_phone(open_page: Open, gateway: Gateway, language: Language, size: tuple[int, int]) -> None:
    page = open_page(f"/dashboard?since=7d&lang={language}", at=gateway, size=size)
    chart(page, WORDS[language].latency)
    for address in (page.url, page.get_by_role("table").first.get_by_role("link").first.get_attribute("href")):
        page.goto(f"{gateway.url}/{address}" if str(address).startswith("dashboard") else str(address))
        expect(page.get_by_role("table").first).to_be_visible()
        wide = page.locator("#report *:not(svg *)").evaluate_all(
            """all => all.filter((one) => one.checkVisibility() && !one.closest(".u-wrap, thead"))
              .filter((one) => one.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5)
              .map((one) => one.outerHTML.slice(0, 100))"""
        )
        assert wide == []
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert page.get_by_role("cell").first.evaluate("cell => getComputedStyle(cell, '::before').content") != "none"


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("width", [1000, 1080, 1280])
def test_tables_fit_their_cards_on_a_desktop(open_page: Open, gateway: Gateway, language: Language, width: int) -> None:
    page = open_page(f"/dashboard?since=24h&lang={language}", at=gateway, size=(width, 900))
    words = WORDS[language]
    chart(page, words.latency)
    page.get_by_role("table", name=words.latency).evaluate(
        """(table, name) => {
          table.querySelector("tbody th a").textContent = name;
          for (const cell of table.querySelectorAll("td")) cell.textContent = "1234.5";
        }""",
        words.explanations,
    )
    for table in page.get_by_role("table").all():
        assert table.evaluate("table => table.offsetWidth - table.parentElement.clientWidth") <= 0


def test_an_explanation_is_no_second_request(open_page: Open, shared: Gateway) -> None:
    page = open_page("/dashboard?since=30d&lang=en", at=shared)
    before = float(tile(page, "Requests").locator(".tile-value").inner_text())
    shared.answer("/v1/fill-mask", {"inputs": SENTENCE})
    shared.post("/v1/explain", {"inputs": SENTENCE})
    wait_until(lambda: shared.lines(module="inference")[-1]["task"] == "explanation")
    page = open_page("/dashboard?since=29d&lang=en", at=shared)  # a report that is not in the cache
    assert float(tile(page, "Requests").locator(".tile-value").inner_text()) == before + 1
    expect(page.locator(".totals")).to_contain_text(re.compile(r"Explanations\s*\d"))


def test_charts_have_the_colours_of_the_theme(open_page: Open, gateway: Gateway) -> None:
    page = open_page(DAY, at=gateway)
    chart(page, report_words.ENGLISH.latency)
    picture = "document.querySelector('.plot canvas').toDataURL()"
    light = page.evaluate(picture)
    page.get_by_label(ENGLISH.theme).select_option("dark")
    page.wait_for_function(f"light => {picture} !== light", arg=light)


@pytest.mark.parametrize(("language", "dark"), [("en", False), ("zh", True)])
def test_axe_finds_nothing_on_charts_and_lines(
    open_page: Open, gateway: Gateway, language: Language, *, dark: bool
) -> None:
    page = open_page(f"/dashboard?since=24h&lang={language}", at=gateway, dark=dark)
    area(page, WORDS[language].latency).hover()
    assert violations(page) == []
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    assert violations(page) == []
    figure_of(page, WORDS[language].latency).get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(PAGE_WORDS[language].lines)
    assert violations(page) == []
