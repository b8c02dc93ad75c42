"""Takes the picture of the first page that stands in the README, from a service that runs on the demo.

    polyscene demo
    polyscene serve --config demo/polyscene.toml --no-auth
    python docs/page_picture.py [http://127.0.0.1:8000 [docs/images/first-page.png]]

A Chromium looks at the page after one click: a wide window in a light room, and a phone in a dark one.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Browser, expect, sync_playwright

USER = "u00042"
HEIGHT, WIDE, NARROW, GAP = 760, 1180, 360, 24
GROUND = (208, 215, 226)
COLOURS = 256


def main() -> None:
    """Take the picture."""
    words = dict(enumerate(sys.argv[1:]))
    url = words.get(0, "http://127.0.0.1:8000")
    path = Path(words.get(1, "docs/images/first-page.png"))
    with sync_playwright() as playwright:
        name = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=name, args=["--no-sandbox"])
        parts = [_picture(browser, url, WIDE, "light"), _picture(browser, url, NARROW, "dark")]
        browser.close()
    canvas = Image.new("RGB", (WIDE + NARROW + 3 * GAP, HEIGHT + 2 * GAP), GROUND)
    canvas.paste(parts[0], (GAP, GAP))
    canvas.paste(parts[1], (WIDE + 2 * GAP, GAP))
    canvas.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


def _picture(browser: Browser, url: str, width: int, scheme: Literal["light", "dark"]) -> Image.Image:
    """Return the page after a click on the first item, as tall as the picture."""
    viewport = {"width": width, "height": HEIGHT}
    page = browser.new_context(viewport=viewport, color_scheme=scheme, reduced_motion="reduce").new_page()
    page.goto(url)
    page.get_by_label("Who are you?").fill(USER)
    page.get_by_role("button", name="Show slates").click()
    expect(page.locator("#status")).to_contain_text(USER)
    page.locator(".place [data-action]").nth(1).click()
    expect(page.locator("#status")).to_contain_text("Kept as event")
    page.evaluate("() => { document.activeElement.blur(); scrollTo(0, 0); }")
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


if __name__ == "__main__":
    main()
