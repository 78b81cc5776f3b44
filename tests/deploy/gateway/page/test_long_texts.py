"""Test long texts and long answers."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.deploy.gateway.page.conftest import DESKTOP, Open
from tests.deploy.gateway.page.test_accessibility import violations
from tests.deploy.gateway.page.test_look import expect_fits
from tests.deploy.gateway.page.workbench import SENTENCE, VERSE, answer, expect_answer

PHONE = (375, 667)
LONG = f"{'今天天气很好，我们一起去公园散步。' * 14}{VERSE}{'举头望明月，低头思故乡。' * 16}"
LINES = [f"第{number}天，{VERSE}" for number in range(40)]
PLACES = pytest.mark.parametrize(
    ("size", "language", "dark"), [(DESKTOP, "en", False), (PHONE, "zh", True)], ids=["desktop", "phone"]
)


def truncated(open_page: Open, size: tuple[int, int], language: str, *, dark: bool) -> Page:
    """Open a page with the answer to a truncated text, and its explanation."""
    page = open_page(f"/?lang={language}", size=size, dark=dark)
    page.locator("#fill-truncate").check()
    page.locator("#fill-text").fill(LONG)
    expect_answer(page, LONG)
    expect(answer(page).locator(".unread")).to_have_count(2)  # the explanation is there
    return page


def font_size(element: Locator) -> float:
    size: float = element.evaluate("element => parseFloat(getComputedStyle(element).fontSize)")
    return size


def is_inside(page: Page, inner: str, outer: str) -> bool:
    """Return whether the first element is vertically inside of the second.

    It is one step, since both may be written again.
    """
    found: bool = page.evaluate(
        """(selectors) => {
          const [one, other] = selectors.map((selector) => document.querySelector(selector).getBoundingClientRect());
          return other.top <= one.top && one.bottom <= other.bottom;
        }""",
        [inner, outer],
    )
    return found


@PLACES
def test_a_long_text_is_written_smaller(open_page: Open, size: tuple[int, int], language: str, *, dark: bool) -> None:
    page = open_page(f"/?lang={language}", size=size, dark=dark)
    box, sentence = page.locator("#fill-text"), answer(page).locator(".sentence")
    box.fill(SENTENCE)
    expect_answer(page, SENTENCE)
    expect(answer(page).locator(".legend .lean").first).to_be_visible()  # nothing is written again
    short = font_size(box), font_size(sentence)
    page = truncated(open_page, size, language, dark=dark)
    box, sentence = page.locator("#fill-text"), answer(page).locator(".sentence")
    assert font_size(box) < short[0]
    assert font_size(sentence) < short[1]
    assert font_size(page.locator(".editor-text")) == font_size(box)
    expect_fits(page)
    assert violations(page) == []


@PLACES
def test_what_was_cut_off_is_grey(open_page: Open, size: tuple[int, int], language: str, *, dark: bool) -> None:
    page = truncated(open_page, size, language, dark=dark)
    for place in (answer(page).locator(".sentence .unread"), page.locator(".editor .unread")):
        expect(place).to_have_count(2)
        before, after = place.all_text_contents()
        assert LONG.startswith(before)
        assert LONG.endswith(after)
        assert len(LONG) - len(before) - len(after) == 126 + len("[MASK]") - 1  # without [CLS] and [SEP]
    sentence = answer(page).locator(".sentence")
    colours = [
        one.evaluate("one => getComputedStyle(one).color") for one in (sentence, sentence.locator(".unread").first)
    ]
    assert colours[0] != colours[1]
    page.locator("#fill-text").fill(SENTENCE)
    expect_answer(page, SENTENCE)
    expect(answer(page).locator(".legend")).to_be_visible()
    expect(page.locator(".unread")).to_have_count(0)


@PLACES
def test_the_mask_of_a_long_text_is_scrolled_into_view(
    open_page: Open, size: tuple[int, int], language: str, *, dark: bool
) -> None:
    page = truncated(open_page, size, language, dark=dark)
    sentence = answer(page).locator(".sentence")
    assert sentence.evaluate("one => one.scrollHeight > one.clientHeight")
    assert is_inside(page, "#fill-answer .filled", "#fill-answer .sentence")
    page.reload()
    expect(page.locator("#fill-text")).to_have_value(LONG)
    assert is_inside(page, ".editor .seal", "#fill-text")


@PLACES
def test_the_text_box_stays_in_sight_beside_a_long_answer(
    open_page: Open, size: tuple[int, int], language: str, *, dark: bool
) -> None:
    page = open_page(f"/?lang={language}", size=size, dark=dark)
    box = page.locator("#fill-text")
    box.fill("\n".join(LINES))
    last = expect_answer(page, *LINES).locator(".batch > li").last
    answer(page).evaluate("element => element.scrollIntoView({ block: 'end' })")
    expect(last).to_be_in_viewport()
    expect(box).to_be_in_viewport(ratio=1)
    on_top = box.evaluate("""box => {
      const { left, top, width, height } = box.getBoundingClientRect();
      return [0.1, 0.5, 0.9].map((part) => document.elementFromPoint(left + width / 2, top + height * part).id);
    }""")
    assert on_top == ["fill-text"] * 3, "nothing lies over it"
    expect_fits(page)


def test_the_focus_is_not_below_the_text_box_on_a_phone(open_page: Open) -> None:
    page = open_page(size=PHONE)
    page.locator("#fill-text").fill("\n".join(LINES))
    expect_answer(page, *LINES)
    answer(page).evaluate("element => element.scrollIntoView({ block: 'end' })")
    page.locator("#line-5").focus()
    on_top = page.locator("#line-5").evaluate("""line => {
      const { left, top, width } = line.getBoundingClientRect();
      return line.contains(document.elementFromPoint(left + width / 2, top + 2));
    }""")
    assert on_top
