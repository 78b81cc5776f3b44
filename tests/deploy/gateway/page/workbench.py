"""Operate the workbench by accessible roles and names."""

import json
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support.waiting import wait_until

SENTENCE = "今天天气真[MASK]啊，适合出去玩。"
AMBIGUOUS = "我[MASK]喜欢你。"  # in float32 and in int8
VERSE = "床前明月光，疑是地[MASK]霜。"
GUESSWORK = "[MASK][MASK][MASK][MASK]"
TWO_MASKS = "床前[MASK]月光，疑是地[MASK]霜。"


def text_box(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Text with [MASK]")


def answer(page: Page) -> Locator:
    return page.locator("#fill-answer")


def expect_answer(page: Page, *lines: str) -> Locator:
    """Wait for the answer to these lines, and to no others; return where it stands."""
    about = json.dumps(lines, ensure_ascii=False, separators=(",", ":"))
    expect(answer(page)).to_have_attribute("data-text", about)
    expect(answer(page)).to_have_attribute("aria-busy", "false")
    return answer(page)


def ask(page: Page, *lines: str) -> Locator:
    """Put lines into the box and wait for their answer."""
    text_box(page).fill("\n".join(lines))
    return expect_answer(page, *lines)


def tokens(candidates: Locator) -> list[str]:
    """Return the words of a list of candidates, best first."""
    return candidates.locator("li .token").all_text_contents()


def open_tab(page: Page, name: str) -> Locator:
    """Select a tab and return its panel."""
    page.get_by_role("tab", name=name).click()
    panel = page.get_by_role("tabpanel", name=name)
    expect(panel).to_be_visible()
    return panel


def open_masks(within: Locator) -> Locator:
    """Unfold the candidates for each mask and return where they stand."""
    masks = within.locator("details.each")
    masks.locator("summary").click()
    expect(masks.locator("section.mask").first).to_be_visible()
    return masks


def focused(page: Page) -> str:
    """Return the focused element's id, or its tag and text."""
    name: str = page.evaluate(
        "() => { const on = document.activeElement; return on.id || `${on.tagName} ${on.textContent.trim()}`; }"
    )
    return name


def expect_shares(bars: Locator, expected: list[float], within: float = 0.001) -> None:
    """Wait until these parts of the bars are filled, as they are painted.

    An answer may be drawn again meanwhile, for example with its reasons.
    """

    def painted() -> bool:
        found = bars.evaluate_all(
            "bars => bars.map(bar => new DOMMatrix(getComputedStyle(bar, '::after').transform).a)"
        )
        return bool(found == pytest.approx(expected, abs=within))

    wait_until(painted)


HOLD = """({ name, words }) => {
  const send = window.fetch;
  window.fetch = (address, options) => {
    if (!String(address).endsWith(`/v1/${name}`) || !options.body.includes(words)) return send(address, options);
    return new Promise((resolve, reject) => {
      options.signal?.addEventListener("abort", () => reject(options.signal.reason));
      window.settle = (answer) => {
        window.fetch = send;
        if (answer) resolve(new Response(JSON.stringify(answer)));
        else send(address, options).then(resolve, reject);
      };
      document.documentElement.dataset.held = words;
    });
  };
}"""


class Held:
    """Hold back the first request whose body has these words.

    It is held in the page. Playwright's routes see a request some time after it began, and may see it without its body.
    """

    def __init__(self, page: Page, name: str, words: str) -> None:
        """Begin; name is the address below /v1/."""
        self._page = page
        self._words = words
        page.evaluate(HOLD, {"name": name, "words": words})

    def expect(self) -> None:
        """Wait until the request has been held back."""
        expect(self._page.locator("html")).to_have_attribute("data-held", self._words)

    def send(self) -> None:
        """Send the request."""
        self._page.evaluate("window.settle()")

    def answer(self, answer: Any) -> None:
        """Answer the request instead of the gateway."""
        self._page.evaluate("answer => window.settle(answer)", answer)
