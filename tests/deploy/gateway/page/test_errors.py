"""Test the page's error messages and its recovery."""

import re

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from loadtest.processes import free_port
from tests.client.scripted import ScriptedModel, grpc_server
from tests.deploy.gateway.conftest import Start
from tests.deploy.gateway.page.conftest import Open
from tests.deploy.gateway.page.workbench import AMBIGUOUS, SENTENCE, ask, expect_answer, open_tab, text_box

KEY = "a-key-that-is-long-enough"


def problem(page: Page) -> Locator:
    found = page.locator("#fill-problem")
    expect(found).to_be_visible()
    return found


def test_a_model_server_that_is_down_is_said_and_asked_again_when_it_is_there(open_page: Open, start: Start) -> None:
    port = free_port()
    gateway = start(f"grpc://127.0.0.1:{port}", "--timeout-s=1")
    page = open_page(at=gateway, forgive="status of 50[134]")
    expect(problem(page)).to_have_attribute("data-status", re.compile("503|504"))
    expect(problem(page)).to_have_role("alert")
    expect(page.locator("#model-state")).not_to_have_attribute("data-state", "ready")
    with grpc_server(ScriptedModel(), f"127.0.0.1:{port}"):
        text = text_box(page).input_value()
        expect_answer(page, text)  # without a click
        expect(page.locator("#fill-problem")).to_be_hidden()
        expect(page.locator("#model-state")).to_have_attribute("data-state", "ready")


def test_without_a_connection_the_answer_comes_with_the_next_try(open_page: Open) -> None:
    page = open_page(forgive="ERR_INTERNET_DISCONNECTED")
    ask(page, SENTENCE)
    page.context.set_offline(True)
    text_box(page).fill(AMBIGUOUS)
    expect(problem(page)).to_have_attribute("data-status", "0")
    page.context.set_offline(False)
    problem(page).get_by_role("button", name="Try again").click()
    expect_answer(page, AMBIGUOUS)
    expect(page.locator("#fill-problem")).to_be_hidden()


def test_too_many_requests_are_asked_again_after_the_time_that_the_gateway_says(open_page: Open) -> None:
    page = open_page(forgive="status of 429")
    ask(page, SENTENCE)
    refused = []

    def refuse(route: Route) -> None:
        refused.append(route)
        body = {"error": "too many concurrent requests", "error_type": "TooManyRequestsError"}
        route.fulfill(status=429, headers={"Retry-After": "1"}, json=body)

    page.route("**/v1/fill-mask", refuse, times=1)
    text_box(page).fill(AMBIGUOUS)
    expect(problem(page)).to_have_attribute("data-status", "429")
    expect_answer(page, AMBIGUOUS)
    assert len(refused) == 1
    expect(page.locator("#fill-problem")).to_be_hidden()


def test_an_answer_of_something_in_between_is_told_as_a_failure(open_page: Open, subtests: pytest.Subtests) -> None:
    page = open_page(forgive="status of 502")
    for content in ("<html>Bad gateway</html>", '{"detail": "?"}', "[]", "null", ""):
        with subtests.test(content):
            ask(page, SENTENCE)
            page.route("**/v1/fill-mask", lambda route: route.fulfill(status=502, body=content), times=1)  # noqa: B023  asked in this turn
            text_box(page).fill(AMBIGUOUS)
            expect(problem(page)).to_have_attribute("data-status", "502")
            expect(problem(page)).not_to_contain_text("html")
            problem(page).get_by_role("button", name="Try again").click()
            expect_answer(page, AMBIGUOUS)


def test_a_new_text_takes_an_old_problem_away(open_page: Open) -> None:
    page = open_page(forgive="status of 500")
    ask(page, SENTENCE)
    page.route("**/v1/fill-mask", lambda route: route.fulfill(status=500, json={"error": "no"}), times=1)
    text_box(page).fill(AMBIGUOUS)
    problem(page)
    ask(page, SENTENCE)
    expect(page.locator("#fill-problem")).to_be_hidden()


def test_an_explanation_that_fails_leaves_the_answer_standing(open_page: Open) -> None:
    page = open_page(forgive="status of 501")
    page.route("**/v1/explain", lambda route: route.fulfill(status=501, json={"error": "no such signature"}))
    with page.expect_response("**/v1/explain"):
        found = ask(page, SENTENCE)
    expect(found.locator("ol.candidates > li")).to_have_count(5)
    expect(page.locator("#fill-problem")).to_be_hidden()


def test_a_gateway_with_keys_asks_for_one_and_keeps_it_for_this_window(
    open_page: Open, start: Start, serving_url: str
) -> None:
    gateway = start(serving_url, GATEWAY_API_KEYS=KEY)
    gateway.wait_until_ready()
    page = open_page(at=gateway, forgive="status of 401")
    expect(problem(page)).to_have_attribute("data-status", "401")
    field = page.get_by_label("API key")
    for key in ("not-the-right-key-at-all", KEY):
        field.fill(key)
        with page.expect_response("**/v1/fill-mask"):
            page.get_by_role("button", name="Use").click()
    expect(page.locator("#fill-problem")).to_be_hidden()
    ask(page, SENTENCE)
    panel = open_tab(page, "Similarity")
    page.get_by_role("textbox", name="First sentence").fill("今天天气真好。")
    page.get_by_role("textbox", name="Second sentence").fill("今天天气不错。")
    panel.get_by_role("button", name="Compare").click()
    expect(panel.locator(".score")).to_be_visible()
    assert KEY not in page.url
    page.goto(f"{gateway.url}/?lang=en&tab=fill")
    ask(page, SENTENCE)
    expect(page.locator("#fill-problem")).to_be_hidden()


def test_a_key_is_hidden_and_no_line_of_it_is_left_in_the_browser(
    open_page: Open, start: Start, serving_url: str
) -> None:
    gateway = start(serving_url, GATEWAY_API_KEYS=KEY)
    gateway.wait_until_ready()
    page = open_page(at=gateway, forgive="status of 401")
    expect(page.get_by_label("API key")).to_have_attribute("type", "password")
    page.get_by_label("API key").fill(KEY)
    page.get_by_role("button", name="Use").click()
    ask(page, SENTENCE)
    assert KEY not in page.evaluate("JSON.stringify(localStorage) + document.cookie")


REFUSED = {"en": "This API key was not accepted.", "zh": "这个 API 密钥未被接受。"}


def test_a_key_that_is_not_accepted_is_said_to_be_so_and_stays_to_be_fixed(
    open_page: Open, start: Start, serving_url: str
) -> None:
    gateway = start(serving_url, GATEWAY_API_KEYS=KEY)
    gateway.wait_until_ready()
    page = open_page(at=gateway, forgive="status of 401")
    expect(problem(page)).to_contain_text("This gateway asks for an API key.")
    field = page.locator("#api-key")
    expect(field).not_to_have_attribute("aria-invalid", "true")
    field.fill(KEY[1:])
    with page.expect_response("**/v1/fill-mask"):
        field.press("Enter")
    for language, words in REFUSED.items():
        page.locator("#language").select_option(language)
        expect(problem(page)).to_contain_text(words)
        expect(problem(page)).to_have_role("alert")  # what comes into it is read out
        expect(field).to_have_accessible_description(re.compile(re.escape(words)))
        expect(field).to_have_attribute("aria-invalid", "true")
        expect(field).to_have_value(KEY[1:])
    field.fill("another-key-that-is-wrong")
    with page.expect_response("**/v1/fill-mask"):
        page.locator("#api-key-use").click()
    expect(page.locator("#api-key-use")).to_be_focused()
    expect(field).to_have_value("another-key-that-is-wrong")
    page.wait_for_url(re.compile("lang=zh"))  # the address follows the page
    page.reload()
    expect(problem(page)).to_contain_text(REFUSED["zh"])
    field.fill(KEY)
    field.press("Enter")
    expect(page.locator("#fill-problem")).to_be_hidden()


def test_a_key_that_is_being_typed_outlives_another_answer(open_page: Open, start: Start, serving_url: str) -> None:
    gateway = start(serving_url, GATEWAY_API_KEYS=KEY)
    gateway.wait_until_ready()
    page = open_page(at=gateway, forgive="status of 401")
    problem(page)
    page.locator("#api-key").fill(KEY[:5])
    with page.expect_response("**/v1/fill-mask"):
        text_box(page).fill(AMBIGUOUS)
    page.locator("#language").select_option("zh")
    expect(problem(page)).to_contain_text("密钥")
    expect(page.locator("#api-key")).to_have_value(KEY[:5])
    page.locator("#tab-similarity").click()
    page.locator("#similarity-first").fill("今天天气真好。")
    page.locator("#similarity-second").fill("今天天气不错。")
    expect(page.locator("#similarity-problem #api-key")).to_have_value(KEY[:5])
