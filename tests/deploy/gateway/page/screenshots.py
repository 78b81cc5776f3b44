"""Take the README's pictures: ``python -m tests.deploy.gateway.page.screenshots [FOLDER]``.

The workbench and the dashboard of a gateway of its own, before the demonstration checkpoint (exported to
``models/bert_mlm`` by ``make export``), twice as sharp as their size. The dashboard shows a generated day.
"""

import argparse
import re
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect

from loadtest.chromium import chromium
from loadtest.processes import ROOT
from loadtest.typing_latency import workbench
from tests.deploy.gateway.page.workbench import VERSE, ask
from tests.deploy.gateway.report.generate import log_lines, write

PICTURES = ROOT / "deploy" / "gateway" / "pictures"
WIDTH = 1080
COLOURS = 256
_LINES = 20_000


def main(arguments: Sequence[str] | None = None) -> None:
    """Take the README's pictures."""
    parser = argparse.ArgumentParser(prog="python -m tests.deploy.gateway.page.screenshots", description=main.__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=PICTURES, help="where the pictures go")
    parser.add_argument("--model-base-path", type=Path, default=ROOT / "models" / "bert_mlm")
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        work = Path(folder)
        (work / "logs").mkdir()
        now = datetime.now(UTC)
        write(log_lines(_LINES, now - timedelta(hours=24), now), work / "logs" / "gateway.log")
        with workbench(options.model_base_path, work, []) as url:  # as `make run` serves it
            _take(_answered(browser, url), options.folder / "workbench.png")
            _take(_dashboard(browser, url), options.folder / "dashboard.png")


def _answered(browser: Browser, url: str) -> Page:
    page = _open(browser, f"{url}?lang=en", height=760)
    ask(page, VERSE)
    expect(page.locator("mark.lean")).to_have_count(3)
    expect(page.locator("#fill-timing")).to_contain_text(re.compile(r"\d ms"))
    page.evaluate("document.activeElement.blur()")
    return page


def _dashboard(browser: Browser, url: str) -> Page:
    page = _open(browser, f"{url}dashboard?lang=en", height=930)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    return page


def _open(browser: Browser, address: str, *, height: int) -> Page:
    context = browser.new_context(
        locale="en-US", viewport={"width": WIDTH, "height": height}, device_scale_factor=2, reduced_motion="reduce"
    )
    page = context.new_page()
    page.goto(address)
    return page


def _take(page: Page, path: Path) -> None:
    """Write what the window shows, in so few colours that the eye sees no difference, and say how large the file is."""
    shown = Image.open(BytesIO(page.screenshot())).convert("RGB")
    shown.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"Wrote {path}, {path.stat().st_size / 1000:.0f} kB.")


if __name__ == "__main__":
    main()
