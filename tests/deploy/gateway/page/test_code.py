"""Test that the question is shown as curl and Python, and that both get the page's answer."""

import json
import subprocess
import sys
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.deploy.gateway.conftest import Gateway, environment
from tests.deploy.gateway.page.conftest import DESKTOP, Open
from tests.deploy.gateway.page.test_accessibility import violations
from tests.deploy.gateway.page.test_look import expect_fits
from tests.deploy.gateway.page.workbench import SENTENCE, VERSE, ask, open_tab

PHONE = (320, 640)
ODD = "他说：'\"天\\气$HOME真[MASK]\"'。"


def shown(page: Page, name: str = "As curl / Python") -> tuple[str, str]:
    """Open the dialog, return the command and the program, and close it."""
    page.get_by_role("button", name=name).click()
    expect(page.locator("#code")).to_be_visible()
    found = page.locator("#code-curl").inner_text(), page.locator("#code-python").inner_text()
    page.keyboard.press("Escape")
    return found


def outputs(curl: str, python: str) -> list[Any]:
    """Run both, and return what they printed."""
    ran = [
        subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60, check=True)
        for command in (
            ["sh", "-c", f"{curl} -s"],
            [
                sys.executable,
                "-c",
                python.replace("print(json.load(response))", "print(json.dumps(json.load(response)))"),
            ],
        )
    ]
    return [json.loads(one.stdout) for one in ran]


@pytest.mark.parametrize("text", [SENTENCE, ODD, f"{SENTENCE}\n{VERSE}"], ids=["one", "quotes", "several"])
def test_both_programs_get_the_answer_of_the_page(open_page: Open, gateway: Gateway, text: str) -> None:
    page = open_page()
    ask(page, *text.split("\n"))
    page.get_by_role("spinbutton", name="Candidates").fill("3")
    page.locator("#fill-more summary").click()
    page.get_by_role("checkbox", name="No punctuation").check()
    inputs = text.split("\n") if "\n" in text else text
    body = {"inputs": inputs, "parameters": {"top_k": 3, "skip_punctuation": True}}
    expected = gateway.answer("/v1/fill-mask", body)
    for answer in outputs(*shown(page)):
        assert [one["token_str"] for one in flat(answer)] == [one["token_str"] for one in flat(expected)]


def flat(answer: Any) -> list[Any]:
    return [one for part in answer for one in part] if isinstance(answer[0], list) else answer


def test_the_other_tabs_have_their_own_requests(open_page: Open) -> None:
    page = open_page()
    panel = open_tab(page, "Similarity")
    panel.get_by_role("textbox", name="First sentence").fill("今天天气真好。")
    panel.get_by_role("textbox", name="Second sentence").fill("今天天气不错。")
    curl, python = shown(page)
    assert '{"inputs":{"pairs":[["今天天气真好。","今天天气不错。"]]}}' in curl
    assert "/v1/similarity" in python
    panel = open_tab(page, "Features")
    panel.get_by_role("textbox", name="Texts").fill("今天\n明天")
    curl, python = shown(page)
    assert "/v1/features" in curl
    assert 'body = {"inputs": ["今天", "明天"]}' in python


def test_a_key_stays_out_of_what_is_passed_on(open_page: Open) -> None:
    page = open_page()
    page.evaluate("sessionStorage.setItem('api-key', 'secret-key')")
    page.reload()
    curl, python = shown(page)
    assert "secret-key" not in curl + python
    assert '-H "X-API-Key: $GATEWAY_API_KEY"' in curl
    assert 'os.environ["GATEWAY_API_KEY"]' in python
    compile(python, "shown", "exec")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("language", "name"), [("en", "As curl / Python"), ("zh", "curl / Python 代码")])
def test_the_dialog_fits_and_copies(open_page: Open, language: str, name: str, *, dark: bool) -> None:
    page = open_page(f"/?lang={language}", dark=dark)
    for size in (DESKTOP, PHONE):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        expect_fits(page)
        page.get_by_role("button", name=name).click()
        expect_fits(page)
        assert violations(page) == []
        page.locator("#code-curl-copy").click()
        expect(page.locator("#code-curl-copy")).to_have_text({"en": "Copied", "zh": "已复制"}[language])
        assert page.evaluate("navigator.clipboard.readText()") == page.locator("#code-curl").inner_text()
        page.keyboard.press("Escape")
        expect(page.get_by_role("button", name=name)).to_be_focused()
