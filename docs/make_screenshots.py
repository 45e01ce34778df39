"""Screenshots of the page: start `vxa app`, then `python docs/make_screenshots.py FOLDER [ADDRESS]`.

Needs Playwright and Chromium on the PATH. Look at each before it is committed.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

PATIENCE = 300_000  # milliseconds
SHOTS = {
    "app-light": ({"width": 1280, "height": 900}, "light"),
    "app-dark": ({"width": 1280, "height": 900}, "dark"),
    "app-phone": ({"width": 390, "height": 844}, "light"),
}


def visit(page: Any, address: str, theme: str) -> None:
    """Look at the first example: choose two words, and ask about a spot."""
    page.goto(f"{address}/?__theme={theme}")
    page.wait_for_selector(".vxa-chip")
    page.click("#vxa_press")
    page.wait_for_selector("#vxa_picture img")
    for word in ("hat", "cat"):
        page.click(f"#vxa_tokens .vxa-chip-word:has-text('{word}')")
    page.locator("#vxa_image img").click(position={"x": 140, "y": 60})
    page.wait_for_selector(".vxa-ranking")
    page.wait_for_timeout(5000)


def main(folder: Path, address: str) -> None:
    """Every shot, as a PNG in the folder."""
    with sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu", "--disable-quic"]
        )
        for name, (size, theme) in SHOTS.items():
            page = browser.new_page(viewport=size)
            page.set_default_timeout(PATIENCE)
            visit(page, address, theme)
            page.screenshot(path=folder / f"{name}.png", full_page=True)
            page.close()
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "http://127.0.0.1:7861")
