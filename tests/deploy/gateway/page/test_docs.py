"""Test the API's page: header, theme, language, and what it shows of the OpenAPI document."""

import json
import re

import pytest
from playwright.sync_api import expect

from loadtest.processes import ROOT
from tests.deploy.gateway.page.conftest import DESKTOP, Open
from tests.deploy.gateway.page.test_accessibility import violations
from tests.deploy.gateway.page.test_look import background, expect_fits
from tests.deploy.gateway.page.workbench import SENTENCE

PHONE = (320, 640)
SUMMARIES = {"en": "Fill the [MASK]s of one or several sentences.", "zh": "填写一句或多句话中的 [MASK]。"}


def test_the_static_pages_have_one_header() -> None:
    pages = [ROOT / "deploy" / "gateway" / name for name in ("page/index.html", "api/docs/index.html")]
    texts = [page.read_text(encoding="utf-8").replace(' aria-current="page"', "") for page in pages]
    workbench, docs = (re.findall(r"<header.*?</header>", text, re.DOTALL) for text in texts)
    assert len(workbench) == 1
    assert docs == workbench


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_has_the_header_theme_and_language_of_the_others(
    open_page: Open, language: str, *, dark: bool
) -> None:
    page = open_page(f"/docs?lang={language}", dark=dark)
    for size in (DESKTOP, PHONE):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        expect(page.locator("nav [aria-current]")).to_have_text("API")
        expect(page.locator("#model-state")).to_have_attribute("data-state", "ready")
        block = page.locator(".opblock", has=page.locator('[data-path="/v1/fill-mask"]'))
        expect(block.locator(".opblock-summary-description")).to_have_text(SUMMARIES[language])
        assert (background(page) < 64) == dark
        expect(page.locator("html")).to_have_class("dark-mode" if dark else "")
        expect_fits(page)
    # Swagger UI has a link to each operation within the button that opens it.
    assert [one for one in violations(page) if not one.startswith("nested-interactive")] == []


def test_every_operation_has_a_sentence_in_both_languages(open_page: Open) -> None:
    page = open_page("/docs?lang=en")
    summaries = page.locator(".opblock-summary-description")
    expect(summaries.first).to_be_visible()
    english = summaries.all_inner_texts()
    assert len(english) == page.locator(".opblock").count() >= 10
    assert all(summary.endswith(".") and " " in summary for summary in english), english
    page.get_by_role("combobox", name="Language").select_option("zh")
    expect(page.get_by_role("heading", level=1)).to_have_text("填词网关：API")
    expect(summaries).to_have_text([re.compile("。$")] * len(english))
    page.get_by_role("combobox", name="语言").select_option("en")
    expect(summaries).to_have_text(english)


def test_the_theme_that_somebody_chose_on_the_workbench_counts_here(open_page: Open) -> None:
    page = open_page("/?lang=en")
    page.get_by_role("combobox", name="Theme").select_option("dark")
    page.get_by_role("link", name="API").click()
    expect(page.locator(".opblock").first).to_be_visible()
    assert background(page) < 64
    page.get_by_role("combobox", name="Theme").select_option("light")
    expect(page.locator("html")).not_to_have_class("dark-mode")
    assert background(page) > 192


def test_schemas_are_folded_until_somebody_opens_them(open_page: Open) -> None:
    page = open_page("/docs?lang=en")
    expect(page.locator(".opblock").first).to_be_visible()
    schemas = page.locator(".models")
    expect(schemas.get_by_role("article")).to_have_count(0)
    schemas.get_by_role("button", name="Schemas").click()
    expect(schemas.get_by_role("article").first).to_be_visible()


def test_a_question_is_tried_out_in_chinese(open_page: Open) -> None:
    page = open_page("/docs?lang=zh")
    block = page.locator(".opblock", has=page.locator('[data-path="/v1/fill-mask"]'))
    block.locator(".opblock-summary-control").click()
    block.get_by_role("button", name="试用").click()
    block.locator("textarea").fill(json.dumps({"inputs": SENTENCE}))
    block.get_by_role("button", name="发送").click()
    expect(block.locator(".responses-inner .live-responses-table")).to_contain_text("今天天气真好啊")
