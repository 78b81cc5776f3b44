"""Test that old answers and outages are visible at once."""

import re

import pytest
from playwright.sync_api import expect

from loadtest.processes import free_port
from tests.client.scripted import ScriptedModel, grpc_server
from tests.deploy.gateway.conftest import Start
from tests.deploy.gateway.page.conftest import DESKTOP, Open
from tests.deploy.gateway.page.workbench import AMBIGUOUS, SENTENCE, Held, answer, ask, expect_answer, text_box

PHONE = (375, 667)
BAR = "() => getComputedStyle(document.getElementById('fill-answer'), '::before').opacity"
UNREACHABLE = {"error": "cannot reach grpc://10.0.0.7:8500", "error_type": "UnreachableError"}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_an_old_answer_is_dimmed_below_a_bar_until_the_new_one_is_there(
    open_page: Open, size: tuple[int, int], *, dark: bool
) -> None:
    page = open_page(size=size, dark=dark)
    sentence = ask(page, SENTENCE).locator(".sentence")
    expect(sentence).to_have_css("opacity", "1")
    held = Held(page, "fill-mask", AMBIGUOUS[-3:])
    text_box(page).fill(AMBIGUOUS)
    held.expect()
    delays = sentence.evaluate("one => one.getAnimations().map(({ effect }) => effect.getTiming().delay)")
    assert delays == [300]  # answers that come at once do not flicker
    expect(sentence).to_have_css("opacity", "0.4")
    page.wait_for_function(f"({BAR})() === '1'")
    held.send()
    expect(expect_answer(page, AMBIGUOUS).locator(".sentence")).to_have_css("opacity", "1")
    expect(answer(page)).to_have_attribute("aria-busy", "false")
    assert page.evaluate("getComputedStyle(document.getElementById('fill-answer'), '::before').content") == "none"


@pytest.mark.parametrize(
    ("tab", "box", "shown"),
    [("similarity", "similarity-first", ".score"), ("features", "features-text", "table.heat")],
)
def test_no_old_answer_stands_beside_a_problem(open_page: Open, tab: str, box: str, shown: str) -> None:
    page = open_page(f"/?lang=en&tab={tab}", forgive="status of 500")
    expect(page.locator(f"#{tab}-answer {shown}").first).to_be_attached()
    page.route(f"**/v1/{tab}", lambda route: route.fulfill(status=500, json={"error": "no"}), times=1)
    page.locator(f"#{box}").fill("换一句")
    expect(page.locator(f"#{tab}-problem")).to_be_visible()
    expect(page.locator(f"#{tab}-answer {shown}")).to_have_count(0)


def test_the_state_changes_with_the_first_failed_question(open_page: Open) -> None:
    page = open_page(forgive="status of 503")
    ask(page, SENTENCE)
    state = page.locator("#model-state")
    expect(state).to_have_attribute("data-state", "ready")
    page.route("**/healthz", lambda _route: None)  # no poll is answered
    page.route("**/v1/fill-mask", lambda route: route.fulfill(status=503, json=UNREACHABLE))
    text_box(page).fill(AMBIGUOUS)
    expect(state).to_have_attribute("data-state", "waiting")
    page.unroute_all(behavior="ignoreErrors")


def test_a_question_is_asked_again_when_the_model_is_back(open_page: Open) -> None:
    page = open_page(forgive="status of 50[34]")
    ask(page, SENTENCE)
    page.route("**/healthz", lambda route: route.fulfill(status=503, json={"status": "unavailable", "model": {}}))
    page.route(
        "**/v1/fill-mask",
        lambda route: route.fulfill(status=504, json={**UNREACHABLE, "error_type": "ServerTimeoutError"}),
    )
    text_box(page).fill(AMBIGUOUS)
    expect(page.locator("#fill-problem")).to_have_attribute("data-status", "504")  # not one that is retried by time
    expect(page.locator("#model-state")).to_have_attribute("data-state", "waiting")
    expect(answer(page).locator(".sentence")).to_have_count(0)
    page.unroute_all(behavior="wait")
    expect_answer(page, AMBIGUOUS)
    expect(page.locator("#fill-problem")).to_be_hidden()
    expect(page.locator("#model-state")).to_have_attribute("data-state", "ready")


LATIN = re.compile(r"[A-Za-z]{2,}")
STATES = {"en": "not ready: the model is not available", "zh": "未就绪：模型不可用"}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_an_outage_is_told_in_the_pages_language_without_addresses(
    open_page: Open, start: Start, language: str
) -> None:
    port = free_port()
    gateway = start(f"grpc://127.0.0.1:{port}", "--timeout-s=1")
    page = open_page(f"/?lang={language}", at=gateway, forgive="status of 50[134]")
    expect(page.locator("#model-state")).to_have_text(STATES[language])
    problem = page.locator("#fill-problem")
    expect(problem).to_be_visible()
    words = re.sub(r"[0-9a-f]{32}", "", problem.inner_text())
    assert bool(LATIN.search(words)) == (language == "en"), words
    assert not re.search(rf"{port}|127\.|grpc", page.locator("body").inner_text())
    with grpc_server(ScriptedModel(), f"127.0.0.1:{port}"):
        expect_answer(page, page.locator("#fill-text").input_value())
        expect(page.locator("#model-state")).to_have_attribute("data-state", "ready")


def test_a_model_that_is_loading_is_told(open_page: Open) -> None:
    loading = {"status": "unavailable", "model": {"version": None, "versions": [{"version": 1, "state": "LOADING"}]}}
    page = open_page("/dashboard?lang=en", forgive="status of 503")
    page.route("**/healthz", lambda route: route.fulfill(status=503, json=loading))
    page.reload()
    expect(page.locator("#model-state")).to_have_text("not ready: the model is loading")
