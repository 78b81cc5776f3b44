"""Test the tab that classifies texts."""

import json
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.client.scripted import Refusal, ScriptedClassifier
from tests.deploy.gateway.conftest import Gateway, Start
from tests.deploy.gateway.page.conftest import Open
from tests.deploy.gateway.page.test_accessibility import violations
from tests.deploy.gateway.page.test_look import UNBROKEN, expect_fits
from tests.deploy.gateway.page.workbench import Held, expect_shares, open_tab, tokens
from tests.support.classifier import LABELS, NAME

TEXTS = ("今天天气很好", "中国的首都是北京")
PHONE = (320, 640)
TAB = "/?lang=en&tab=classify"


def expect_labels(page: Page, *lines: str) -> Locator:
    """Wait for the labels of these lines, and of no others; return where they stand."""
    output = page.locator("#classify-answer")
    about = json.dumps(lines, ensure_ascii=False, separators=(",", ":"))
    expect(output).to_have_attribute("data-text", about)
    expect(output).to_have_attribute("aria-busy", "false")
    return output


def classify(page: Page, *lines: str, tab: str = "Classify") -> Locator:
    """Put lines into the tab's box and wait for their labels."""
    panel = open_tab(page, tab)
    panel.get_by_role("textbox").fill("\n".join(lines))
    return expect_labels(page, *lines)


def answer(gateway: Gateway, *texts: str) -> Any:
    return gateway.answer("/v1/classify", {"inputs": list(texts), "parameters": {"top_k": None}})


def test_a_text_has_its_labels_with_bars_best_first(open_page: Open, classifying: Gateway) -> None:
    [expected] = answer(classifying, TEXTS[0])
    page = open_page(TAB, at=classifying)
    found = classify(page, TEXTS[0])
    shown = found.locator("> .labels")
    assert tokens(shown) == [one["label"] for one in expected[:10]]
    expect_shares(shown.locator(".bar"), [one["score"] for one in expected[:10]], within=0.01)
    expect(shown.locator(".percent").first).to_have_text(f"{expected[0]['score']:.1%}")
    expect(shown.locator("li.best")).to_have_count(1)
    rest = found.locator("details.rest")
    expect(rest.locator("summary")).to_have_text("2 more labels")
    rest.locator("summary").click()
    expect(rest.locator("li").last).to_be_visible()
    assert tokens(rest.locator(".labels")) == [one["label"] for one in expected[10:]]
    expect(page.locator("#classify-timing")).to_contain_text("ms in all")
    expect(page.locator("#announcement")).to_have_text(f"Best: {expected[0]['label']}, {expected[0]['score']:.1%}.")


def test_lines_are_classified_together_and_unfold(open_page: Open, classifying: Gateway) -> None:
    expected = answer(classifying, *TEXTS)
    page = open_page(TAB, at=classifying)
    lines = classify(page, *TEXTS).locator("ol.batch > li")
    expect(lines).to_have_count(2)
    for line, text, labels in zip(lines.all(), TEXTS, expected, strict=True):
        expect(line.locator("summary .sentence").first).to_have_text(text)
        expect(line.locator("summary .badge").first).to_have_text(labels[0]["label"])
    lines.nth(1).locator("summary").first.click()
    assert tokens(lines.nth(1).locator(".labels").first) == [one["label"] for one in expected[1][:10]]
    page.locator("#classify-text").fill("\n".join([TEXTS[0], TEXTS[1], "我们去散步吧"]))
    expect_labels(page, TEXTS[0], TEXTS[1], "我们去散步吧")
    expect(lines.nth(1).locator("details").first).to_have_attribute("open", "")


def test_the_answer_follows_typing_and_never_an_older_text(open_page: Open, classifying: Gateway) -> None:
    page = open_page(TAB, at=classifying)
    classify(page, TEXTS[0])
    held = Held(page, "classify", TEXTS[1])
    box = page.locator("#classify-text")
    box.fill(TEXTS[1])
    held.expect()
    box.fill("我们去散步吧")
    expect_labels(page, "我们去散步吧")
    box.fill("")
    expect(page.locator("#classify-answer .empty")).to_be_visible()


def test_a_line_that_is_refused_has_a_hint_and_the_others_are_classified(open_page: Open, classifying: Gateway) -> None:
    page = open_page(TAB, at=classifying, forgive="status of 400")
    panel = open_tab(page, "Classify")
    long = "北京" * 40
    panel.get_by_role("textbox").fill(f"{TEXTS[0]}\n{long}")
    hint = page.locator("#classify-hints li[data-kind='too-long']")
    expect(hint).to_contain_text("Line 2: The text is 82 tokens long; the model reads 32.")
    expect_labels(page, TEXTS[0])
    hint.get_by_role("button", name="Shorten").click()
    expect_labels(page, TEXTS[0], long[:30])


def test_a_problem_is_told_and_the_question_is_asked_again(
    open_page: Open, classifying: Gateway, classifier: ScriptedClassifier
) -> None:
    page = open_page(TAB, at=classifying, forgive="status of 502")
    classify(page, TEXTS[0])
    classifier.refusal = Refusal("broken", "INTERNAL")
    page.locator("#classify-text").fill(TEXTS[1])
    problem = page.locator("#classify-problem")
    expect(problem).to_contain_text("The model server answered with an error.")
    classifier.refusal = None
    problem.get_by_role("button", name="Try again").click()
    expect_labels(page, TEXTS[1])
    expect(problem).to_be_hidden()


def test_without_a_classifier_there_is_no_tab(open_page: Open, scripted: Gateway) -> None:
    page = open_page(at=scripted, forgive="status of 501")  # it explains nothing
    expect(page.locator("#model-state")).to_have_attribute("data-state", "ready")
    expect(page.get_by_role("tab")).to_have_count(4)
    page.get_by_role("tab", name="Fill").focus()
    page.keyboard.press("End")
    expect(page.get_by_role("tab", name="Features")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Fill")).to_be_focused()


def test_a_link_to_the_tab_says_that_there_is_no_classifier(open_page: Open, scripted: Gateway) -> None:
    page = open_page(TAB, at=scripted, forgive="status of 404")
    expect(page.locator("#classify-problem")).to_contain_text("This gateway has no text classifier.")


def test_the_state_says_that_the_classifier_is_not_served(
    open_page: Open, start: Start, two_models_url: str, classifier: ScriptedClassifier
) -> None:
    classifier.name = "another"
    gateway = start(two_models_url, f"--classifier={NAME}")
    gateway.wait_until_ready()
    page = open_page(at=gateway, forgive="status of 501")
    state = page.locator("#model-state")
    expect(state).to_have_attribute("data-state", "degraded")
    expect(state).to_contain_text("ready · version 1, but the classifier is not")
    classifier.name = NAME
    expect(state).to_have_text("ready · version 1")
    classify(page, TEXTS[0])


def test_a_link_brings_the_texts_back(open_page: Open, classifying: Gateway) -> None:
    page = open_page(TAB, at=classifying)
    classify(page, *TEXTS)
    page.wait_for_url("**tab=classify**%0A**")
    page.reload()
    expect_labels(page, *TEXTS)
    expect(page.get_by_role("tab", name="Classify")).to_have_attribute("aria-selected", "true")


def test_examples_are_classified(open_page: Open, classifying: Gateway) -> None:
    page = open_page(TAB, at=classifying)
    panel = open_tab(page, "Classify")
    expect(panel.locator("ol.batch > li")).to_have_count(4)  # the first example, as the tab was empty
    panel.get_by_role("button", name="A verse").click()
    expect_labels(page, "明月几时有，把酒问青天。")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize(("language", "tab"), [("en", "Classify"), ("zh", "分类")])
def test_axe_finds_nothing(open_page: Open, classifying: Gateway, language: str, tab: str, *, dark: bool) -> None:
    page = open_page(f"/?lang={language}&tab=classify", at=classifying, dark=dark)
    for size in ((1280, 900), PHONE):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        classify(page, TEXTS[0], tab=tab).locator("details.rest summary").click()
        assert violations(page) == []
        for line in classify(page, *TEXTS, tab=tab).locator("ol.batch > li").all():
            line.locator("summary").first.click()
        assert violations(page) == []


def test_it_fits_a_phone(open_page: Open, start: Start, two_models_url: str, classifier: ScriptedClassifier) -> None:
    classifier.labels = (UNBROKEN, "一个很长很长很长很长很长很长很长很长的类别", *LABELS)
    gateway = start(two_models_url, f"--classifier={NAME}")
    gateway.wait_until_ready()
    page = open_page(TAB, at=gateway, size=PHONE)
    for lines in ([TEXTS[0]], ["a" * 28, *TEXTS, "今天天气很好" * 4]):
        for summary in classify(page, *lines).locator("summary").all():
            summary.click()
        expect_fits(page)
    tops = page.get_by_role("tab").evaluate_all("tabs => tabs.map(tab => tab.getBoundingClientRect().top)")
    assert len(tops) == 5
    assert len(set(tops)) == 1, "the tabs are one row"
