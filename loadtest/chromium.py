"""A Chromium of this machine, without a window, driven by Playwright."""

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
    """There is no Chromium. The message is shown to the user as it is."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run a browser until the block ends: the variable CHROMIUM's, else one on the path, else Playwright's own.

    It reaches this machine alone. Playwright's synchronous interface holds an event loop in this thread meanwhile, in
    which no other can run.

    Raises:
        NoChromiumError: none is there.
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
        raise NoChromiumError(f"CHROMIUM names {named}, which is no file" if named else MISSING)
    return found
