"""Fixtures of Chromium pages of a gateway, checked for errors."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, WebError, expect

from loadtest.chromium import NoChromiumError, chromium
from tests.deploy.gateway.conftest import Gateway, Start

DESKTOP = (1280, 900)

expect.set_options(timeout=15_000)  # for a busy machine; elements normally appear within milliseconds


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run a browser's test once more if it failed; pytest counts it as rerun."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.flaky(reruns=1))


class Open(Protocol):
    """Opens pages of the gateway, each in a new browser profile."""

    def __call__(
        self,
        address: str = "/?lang=en",
        *,
        at: Gateway | None = None,
        locale: str = "en-US",
        dark: bool = False,
        size: tuple[int, int] = DESKTOP,
        zone: str = "UTC",
        forgive: str = "(?!)",
        touch: bool = False,
    ) -> Page:
        """Open a page.

        Args:
            address: path and query.
            at: the gateway; the one before the demonstration checkpoint where none is given.
            locale: the browser's language.
            dark: whether the system's theme is dark.
            size: the window, in CSS pixels.
            zone: the browser's time zone.
            forgive: pattern of messages on the console that the test brings about, such as a status of 503.
            touch: whether the screen takes touches.
        """


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser; a module's, since while it is open no test of another folder could run an event loop."""
    try:
        with chromium() as running:
            yield running
    except NoChromiumError as error:
        pytest.skip(str(error))


@pytest.fixture
def open_page(browser: Browser, gateway: Gateway, start: Start) -> Iterator[Open]:
    """Open pages; afterwards fail for errors on a console, blocked by the policy or not, and for requests elsewhere."""
    del start  # its gateways end after the pages
    faults: list[str] = []
    contexts = []

    def opener(
        address: str = "/?lang=en",
        *,
        at: Gateway | None = None,
        locale: str = "en-US",
        dark: bool = False,
        size: tuple[int, int] = DESKTOP,
        zone: str = "UTC",
        forgive: str = "(?!)",
        touch: bool = False,
    ) -> Page:
        origin = (at or gateway).url

        def hear(message: ConsoleMessage) -> None:
            if message.type in {"error", "warning"} and not re.search(forgive, message.text):
                faults.append(f"console: {message.text} ({message.location})")

        def fail(error: WebError) -> None:
            faults.append(f"uncaught: {error.error}")

        def check(request: Request) -> None:
            if not request.url.startswith((f"{origin}/", "data:", "blob:")):
                faults.append(f"asks elsewhere: {request.url}")

        context = browser.new_context(
            locale=locale,
            color_scheme="dark" if dark else "light",
            viewport={"width": size[0], "height": size[1]},
            reduced_motion="reduce",
            timezone_id=zone,
            has_touch=touch,
            permissions=["clipboard-read", "clipboard-write"],
        )
        contexts.append(context)
        context.on("console", hear)
        context.on("weberror", fail)
        context.on("request", check)
        page = context.new_page()
        page.goto(origin + address)
        return page

    yield opener
    for context in contexts:
        context.close()
    assert not faults
