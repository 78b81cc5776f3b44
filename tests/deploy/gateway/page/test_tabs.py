"""Test similarity, features and links to views."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.deploy.gateway.conftest import Gateway
from tests.deploy.gateway.page.conftest import Open
from tests.deploy.gateway.page.workbench import SENTENCE, TWO_MASKS, ask, expect_answer, open_tab, text_box, tokens

FIRST, SECOND = "今天天气真好。", "今天天气不错。"


def test_two_sentences_are_compared(open_page: Open, gateway: Gateway) -> None:
    pair = {"inputs": {"pairs": [[FIRST, SECOND]]}}
    [expected] = gateway.answer("/v1/similarity", pair)
    page = open_page()
    panel = open_tab(page, "Similarity")
    panel.get_by_role("textbox", name="First sentence").fill(FIRST)
    panel.get_by_role("textbox", name="Second sentence").fill(SECOND)
    panel.get_by_role("button", name="Compare").click()
    meter = panel.get_by_role("meter", name="Similarity")
    expect(panel.locator(".score")).to_contain_text(f"{expected['score']:.2f}")
    assert float(meter.get_attribute("aria-valuenow") or "nan") == pytest.approx(expected["score"], abs=0.006)
    expect(panel.locator(".cosine")).to_contain_text(f"{expected['cosine']:.2f}")


def test_vectors_are_shown_and_can_be_downloaded(open_page: Open, gateway: Gateway, tmp_path: Path) -> None:
    expected = gateway.answer("/v1/features", {"inputs": [FIRST, SECOND]})
    page = open_page()
    panel = open_tab(page, "Features")
    panel.get_by_role("textbox", name="Texts").fill(f"{FIRST}\n{SECOND}")
    panel.get_by_role("button", name="Read").click()
    shown = panel.locator(".text-vector")
    expect(shown).to_have_count(2)
    expect(shown.first.locator(".dimensions")).to_contain_text(str(len(expected[0]["mean"])))
    panel.get_by_role("combobox", name="Vector").select_option("cls")
    with page.expect_download() as download:
        panel.get_by_role("button", name="Download JSON").click()
    assert download.value.suggested_filename == "features.json"
    download.value.save_as(tmp_path / "features.json")
    saved = json.loads((tmp_path / "features.json").read_text(encoding="utf-8"))
    assert str(expected[1]["cls"][0])[:8] in json.dumps(saved)
    panel.get_by_role("button", name="Copy JSON").click()
    page.wait_for_function("async () => (await navigator.clipboard.readText()).startsWith('[')")
    assert json.loads(page.evaluate("navigator.clipboard.readText()")) == saved


def test_a_copied_link_brings_the_same_view_back(open_page: Open) -> None:
    page = open_page()
    before = ask(page, TWO_MASKS)
    page.get_by_role("spinbutton", name="Candidates").fill("3")
    expect(before.locator("section.mask").first.locator("ol.candidates > li")).to_have_count(3)
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Link copied")).to_be_visible()
    link = page.evaluate("navigator.clipboard.readText()")
    again = open_page(link[link.index("/", len("http://")) :], locale="zh-CN")
    expect(text_box(again)).to_have_value(TWO_MASKS)  # in English, which the link says
    after = expect_answer(again, TWO_MASKS)
    expect(after.locator("section.mask").first.locator("ol.candidates > li")).to_have_count(3)
    assert [tokens(mask) for mask in after.locator("section.mask").all()] == [
        tokens(mask) for mask in before.locator("section.mask").all()
    ]


def test_the_address_follows_the_view_and_a_reload_keeps_it(open_page: Open) -> None:
    page = open_page()
    panel = open_tab(page, "Similarity")
    panel.get_by_role("textbox", name="First sentence").fill(FIRST)
    panel.get_by_role("textbox", name="Second sentence").fill(SECOND)
    page.wait_for_url("**tab=similarity**second=**")
    page.reload()
    expect(page.get_by_role("tab", name="Similarity")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("textbox", name="First sentence")).to_have_value(FIRST)
    expect(page.locator("#similarity-answer .score")).to_be_visible()


def test_a_batch_is_in_the_link_too(open_page: Open) -> None:
    page = open_page()
    ask(page, SENTENCE, TWO_MASKS)
    page.wait_for_url("**%0A**")
    page.reload()
    expect_answer(page, SENTENCE, TWO_MASKS)


def test_a_link_of_somebody_else_can_say_anything_and_breaks_nothing(open_page: Open) -> None:
    page = open_page("/?lang=xx&tab=nothing&top_k=many&text=%FF%00&truncate=perhaps&other=1", forgive="status of 4")
    expect(page.get_by_role("tab", name="Fill")).to_have_attribute("aria-selected", "true")
    ask(page, SENTENCE)
