"""Test that marks and legend belong to the shown answer."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from bert_mlm_client import Explanation, FillMask
from playwright.sync_api import Locator, Page, expect

from tests.deploy.gateway.page.conftest import Open
from tests.deploy.gateway.page.workbench import SENTENCE, TWO_MASKS, VERSE, Held, answer, ask, open_masks

SAYING = "一个篱笆三个[MASK]，一个[MASK][MASK]三个帮。"


@pytest.fixture
def direct(serving_url: str) -> Iterator[FillMask]:
    """Return a client of the server behind the gateway."""
    with FillMask(serving_url) as client:
        yield client


def heaviest(*explanations: Any) -> list[tuple[str, Any]]:
    """Return the three tokens with the largest weights for an answer."""
    greatest: dict[int, Any] = {}
    for weight in sorted((weight for one in explanations for weight in one.weights), key=lambda weight: weight.weight):
        if weight.weight > 0:
            greatest[weight.span[0]] = weight
    most = sorted(greatest.values(), key=lambda weight: -weight.weight)[:3]
    return [(weight.token_str.removeprefix("##"), pytest.approx(weight.weight, abs=0.02)) for weight in most]


def expect_legend(legend: Locator, *explanations: Any) -> None:
    """Wait until a legend has the reasons of these answers, and no others."""
    expected = heaviest(*explanations)
    expect(legend.locator(".lean-token")).to_have_text([token for token, _ in expected])
    weights = [float(reason.get_attribute("data-weight") or "nan") for reason in legend.locator("li").all()]
    assert weights == [weight for _, weight in expected]


def expect_marks(sentence: Locator, *explanations: Any) -> None:
    """Check that the sentence marks these reasons; the legend has been waited for."""
    marks = sentence.locator("mark.lean").all()
    ranked = {int(mark.get_attribute("data-rank") or 0): mark.inner_text() for mark in marks}
    assert [ranked[rank] for rank in sorted(ranked)] == [token for token, _ in heaviest(*explanations)]


def button(within: Locator, number: int) -> Locator:
    """Return the button of a candidate, the best being 0."""
    return within.locator("ol.candidates > li").nth(number).get_by_role("button")


def explained(page: Page) -> list[Any]:
    """Return a list that every question about reasons is added to."""
    asked: list[Any] = []
    page.on(
        "request",
        lambda request: asked.append(request.post_data_json) if request.url.endswith("/v1/explain") else None,
    )
    return asked


def test_a_click_on_the_second_candidate_changes_the_highlights_to_its_own_reasons(
    open_page: Open, direct: Any
) -> None:
    best, second = (direct.explain(SENTENCE, target=one.token_str)[0] for one in direct.fill(SENTENCE, top_k=2))
    assert [weight.weight for weight in best.weights] != [weight.weight for weight in second.weights]
    page = open_page()
    asked = explained(page)
    found = ask(page, SENTENCE)
    expect_legend(found.locator(".legend"), best)
    button(found, 1).click()
    expect(found.locator(".filled")).to_have_text(second.prediction.token_str)
    expect_legend(found.locator(".legend"), second)
    expect_marks(found.locator(".sentence"), second)
    words = ", ".join(token for token, _ in heaviest(second))
    expect(page.get_by_role("status").filter(has_text=f"The answer leans on {words}.")).to_have_count(1)
    count = len(asked)
    button(found, 0).click()  # whose reasons are still there
    expect_legend(found.locator(".legend"), best)
    expect_marks(found.locator(".sentence"), best)
    assert len(asked) == count
    assert asked[-1]["parameters"]["target"] == [second.prediction.token_str]


def test_reasons_change_by_keys_alone(open_page: Open, direct: Any) -> None:
    [second] = direct.explain(SENTENCE, target=direct.fill(SENTENCE, top_k=2)[1].token_str)
    page = open_page()
    found = ask(page, SENTENCE)
    expect(found.locator(".legend")).to_be_visible()
    button(found, 0).focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect_legend(found.locator(".legend"), second)
    expect(button(found, 1)).to_be_focused()
    expect(button(found, 1)).to_have_attribute("aria-pressed", "true")


def test_a_joint_sentence_has_the_reasons_of_its_own_words(open_page: Open, direct: Any) -> None:
    fillings = direct.fill_words(SAYING)
    page = open_page()
    whole = ask(page, SAYING).locator("section.whole")
    for number in (0, 1):
        words = direct.explain(SAYING, target=fillings[number].words, joint=True)
        if number:
            button(whole, number).click()
        for gap, explanation in enumerate(words):
            expect_legend(whole.locator(".legend").nth(gap), explanation)
        expect_marks(answer(page).locator(".sentence"), *words)
        expect(answer(page).locator("section.mask .legend")).to_have_count(0)
        titles = whole.locator(".legend-title")
        expect(titles).to_have_text([f"{explanation.prediction.token_str} leans on" for explanation in words])


def test_each_mask_by_itself_has_the_reasons_of_its_own_candidate(open_page: Open, direct: Any) -> None:
    masks = direct.fill_masks(TWO_MASKS, top_k=2)
    explanations = direct.explain(TWO_MASKS, target=[masks[0][0].token_str, masks[1][1].token_str])
    page = open_page()
    found = ask(page, TWO_MASKS)
    expect(found.locator("section.whole .legend").first).to_be_visible()
    sections = open_masks(found).locator("section.mask")
    button(sections.nth(1), 1).click()
    for number, explanation in enumerate(explanations):
        expect_legend(sections.nth(number).locator(".legend"), explanation)
    expect_marks(found.locator(".sentence"), *explanations)
    expect(found.locator("section.whole .legend")).to_have_count(0)


def test_an_unfolded_line_has_the_reasons_of_the_candidate_it_shows(open_page: Open, direct: Any) -> None:
    [second] = direct.explain(VERSE, target=direct.fill(VERSE, top_k=2)[1].token_str)
    page = open_page()
    line = ask(page, SENTENCE, VERSE).locator("ol.batch > li").nth(1)
    line.locator("summary").click()
    expect(line.locator(".legend")).to_be_visible()
    button(line, 1).click()
    expect_legend(line.locator(".legend"), second)
    expect_marks(line.locator("summary .sentence"), second)


def hold(page: Page, explanation: Explanation) -> Held:
    """Hold back the request for an explanation."""
    return Held(page, "explain", f'"target":["{explanation.prediction.token_str}"]')


def test_until_its_reasons_come_a_candidate_has_none_and_says_that_they_are_awaited(
    open_page: Open, direct: Any
) -> None:
    [second] = direct.explain(SENTENCE, target=direct.fill(SENTENCE, top_k=2)[1].token_str)
    page = open_page()
    held = hold(page, second)
    found = ask(page, SENTENCE)
    expect(found.locator(".legend")).to_be_visible()
    button(found, 1).click()
    held.expect()
    expect(found.locator(".awaited")).to_have_attribute("aria-busy", "true")
    expect(found.locator(".legend, mark.lean")).to_have_count(0)
    held.send()
    expect_legend(found.locator(".legend"), second)
    expect(found.locator(".awaited")).to_have_count(0)


def test_reasons_that_come_late_do_not_overwrite_those_of_the_candidate_that_is_shown(
    open_page: Open, direct: Any
) -> None:
    best, second = (direct.explain(SENTENCE, target=one.token_str)[0] for one in direct.fill(SENTENCE, top_k=2))
    page = open_page()
    held = hold(page, best)
    found = ask(page, SENTENCE)
    held.expect()
    button(found, 1).click()  # which calls the first question off
    expect_legend(found.locator(".legend"), second)
    held.send()
    page.wait_for_timeout(300)  # nothing must happen, for longer than an answer takes
    expect_legend(found.locator(".legend"), second)
    button(found, 0).click()
    expect_legend(found.locator(".legend"), best)


def test_reasons_that_can_no_longer_be_called_off_are_kept_for_their_own_candidate(
    open_page: Open, direct: Any
) -> None:
    best, second = (direct.explain(SENTENCE, target=one.token_str)[0] for one in direct.fill(SENTENCE, top_k=2))
    page = open_page()
    page.evaluate("AbortController.prototype.abort = () => {}")
    held = hold(page, best)
    found = ask(page, SENTENCE)
    held.expect()
    button(found, 1).click()
    expect(found.locator(".awaited")).to_be_visible()
    weights = [{"token_str": "适", "weight": 7.25, "span": [13, 14]}]
    held.answer({"text": SENTENCE, "method": "occlusion", "weights": weights, "note": None})
    expect_legend(found.locator(".legend"), second)
    button(found, 0).click()
    expect(found.locator(".legend li")).to_have_text(["适7.25"])  # without a probability of the answer
    button(found, 1).click()
    expect_legend(found.locator(".legend"), second)


def test_a_candidate_that_cannot_be_explained_says_so_and_the_others_keep_their_reasons(
    open_page: Open, direct: Any
) -> None:
    [best] = direct.explain(SENTENCE)
    page = open_page(forgive="status of 400")
    found = ask(page, SENTENCE)
    expect_legend(found.locator(".legend"), best)
    words = {"error": "the target '[UNK]' is a special token", "error_type": "InputError"}
    page.route("**/v1/explain", lambda route: route.fulfill(status=400, body=json.dumps(words)))
    button(found, 1).click()
    expect(found.locator("p.about")).to_contain_text(f"This answer cannot be explained: {words['error']}")
    expect(found.locator(".legend, .awaited, mark.lean")).to_have_count(0)
    expect(page.locator("#fill-problem")).to_be_hidden()
    button(found, 0).click()
    expect_legend(found.locator(".legend"), best)


def test_weights_that_say_nothing_are_not_marked_and_said_to_say_nothing(open_page: Open) -> None:
    page = open_page()
    note = "100.0% of the last layer's attention rests on [CLS], [SEP] and [MASK]"
    weights = [{"token_str": "今", "weight": 1e-9, "span": [0, 1]}]
    explanation = {"text": SENTENCE, "method": "attention", "weights": weights, "note": note}
    page.route("**/v1/explain", lambda route: route.fulfill(json=explanation))
    found = ask(page, SENTENCE)
    expect(found.locator(".legend .about")).to_have_text(note)
    expect(found.locator("mark.lean, .lean-token")).to_have_count(0)
