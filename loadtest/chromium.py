"""Start a local headless Chromium through Playwright."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Playwright, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
MISSING = (
    "no Chromium found; sudo apt install chromium fonts-noto-cjk, or .venv/bin/playwright install chromium, "
    "or name one in the variable CHROMIUM"
)

# Chromium looks up its vendor's update host by itself; --disable-component-update does not prevent that.
_LOOPBACK_ONLY = "--host-resolver-rules=MAP * ~NOTFOUND,EXCLUDE 127.0.0.1,EXCLUDE localhost"


class NoChromiumError(Exception):
    """A missing Chromium, with a message for the user."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run a headless browser until the block ends.

    The variable CHROMIUM takes precedence over a browser on the path, and that over Playwright's own. The browser only
    connects to this machine. Playwright's synchronous API occupies this thread's event loop for the whole block.

    Raises:
        NoChromiumError: no browser was found.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_find(playwright), args=[_LOOPBACK_ONLY])
        try:
            yield browser
        finally:
            browser.close()


def _find(playwright: Playwright) -> str:
    named = os.environ.get("CHROMIUM")
    found = named or next(filter(None, map(shutil.which, NAMES)), playwright.chromium.executable_path)
    if not Path(found).is_file():
        raise NoChromiumError(f"CHROMIUM names {named}, which is not a file" if named else MISSING)
    return found
